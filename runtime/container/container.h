// SPDX-License-Identifier: Apache-2.0
// A container in a command: found by its id, or made by this process.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cgroups/cgroup.h"
#include "runtime/container/owned_process.h"
#include "runtime/container/state_directory.h"
#include "runtime/container/status.h"
#include "runtime/oci/spec.h"
#include "runtime/resources/host_resources.h"
#include "runtime/resources/kept_changes.h"
#include "runtime/resources/limited_cgroup.h"
#include "runtime/text/json_writer.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct Container {
  StateDirectory state;
  ContainerRecord record;
  ContainerStatus status = ContainerStatus::unknown;  // its present status, never a stored one
  UniqueFd init{};                                    // pidfd of a found container, if it lives
  UniqueFd ended{};                                   // the same if it was a zombie then, or exiting: await_exit()

  // Guards for what this process has made, in that order. A found container has none; one that this process makes has a
  // cgroup from the beginning, even if only LimitedCgroup::none().
  std::optional<LimitedCgroup> cgroup{};
  std::optional<HostSide> host_side{};
  std::optional<KeptChanges> changes{};  // guards nothing by itself: remove_container() removes or undoes it
  std::optional<OwnedProcess> process{};

  const oci::Spec* config = nullptr;  // borrowed, if this process has it in memory; else state.read_config()
  bool hooked = true;                 // a hook may have made something that a poststop hook removes

  // The pidfd of its first process. -1: it has none yet, or has ended.
  int pidfd() const { return process ? process->child().pidfd.get() : init.get(); }
  // Lets it outlive this process.
  void detach();
};

// The container of an id below a state root. Errors: "container does not exist", an unreadable record.
Result<Container> find_container(const std::string& state_root, const std::string& id);

// The same below an open state root.
Result<Container> find_container(int root, const std::string& id);

// The same for a command that enters it. Waits up to kLockTime for one that is still being made: its workload may print
// before minirun learns that it runs. If minirun was killed, it may still be creating.
Result<Container> find_made(int root, const std::string& id);

// The same with an unknown status, for a command that does not distinguish waiting and paused containers. Waits up to
// kLockTime for one whose first process is not recorded yet, since its workload may already run.
Result<Container> find_processes(const std::string& state_root, const std::string& id);

// The same for a command that changes the container: the result holds its lock.
Result<Container> find_locked(const std::string& state_root, const std::string& id);

// The same from its open directory. A container without a record has only its directory so far: it is creating, with
// the bare record below.
Result<Container> inspect(StateDirectory state);

// The same with the record that was read from it.
Result<Container> inspect(StateDirectory state, ContainerRecord record);

// Reads a record of any format; bare_record() if none exists.
Result<ContainerRecord> read_record(const StateDirectory& state);

// What is known about a container with a missing or damaged record: its id, and the directory's time as `created`.
ContainerRecord bare_record(const StateDirectory& state);

// Records how it ended, for later commands: what the record does not have yet. Does nothing if it was deleted.
// exit_status: empty if it is not known.
Result<void> remember_exit(const Container& found, std::optional<int> exit_status, const EndRecord& end);

// Its cgroup: ErrorKind::state when it never had one, ENOENT when it is gone, ESTALE when another one has its place
// (never touch that one).
Result<Cgroup> open_cgroup(const ContainerRecord& record);

// Whether the record is from this boot. From another boot nothing is left: numbers are reused, cgroups' inodes even in
// the same order.
bool of_this_boot(const ContainerRecord& record);

// The same: absent if it is gone, was never made, is from another boot, or another one has its place; and if the cgroup
// is not recorded yet (minirun was killed before) and carries another container's mark.
Result<std::optional<Cgroup>> find_cgroup(const Container& container);

// The same for a container whose init lives; else "container not running".
Result<Cgroup> open_running_cgroup(const Container& container);

// runtime-spec runtime.md, "State": as one JSON object.
void append_state(JsonWriter& json, const ContainerRecord& record, std::string_view status, pid_t pid);

// The owner of the containers below a state root: "root" or the user id, as minirun looks up no names.
// open_state_root() refuses other users' state roots.
std::string owner_name();

}  // namespace minirun
