// SPDX-License-Identifier: Apache-2.0
// A container, as a command has it: found by its id, or of this process's own making.
#pragma once

#include <optional>
#include <string>

#include "cgroups/cgroup.h"
#include "runtime/container/owned_process.h"
#include "runtime/container/state_directory.h"
#include "runtime/oci/spec.h"
#include "runtime/resources/host_resources.h"
#include "runtime/resources/limited_cgroup.h"
#include "runtime/text/json_writer.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct Container {
  StateDirectory state;
  ContainerRecord record;
  std::string status;  // creating, created, running, paused or stopped, as it is now: never a stored word
  UniqueFd init{};     // pidfd, when it lives; of one that was found

  // What this process has made, each the guard of one thing, in the order of the making. One that was found has none;
  // one of this process's own making has a cgroup from the first, if only LimitedCgroup::none().
  std::optional<LimitedCgroup> cgroup{};
  std::optional<HostSide> host_side{};
  std::optional<OwnedProcess> process{};

  const oci::Spec* config = nullptr;  // where this process has it in memory, borrowed; else state.read_config()
  bool hooked = true;                 // a hook may have made something that a poststop hook takes away

  // Of its first process. -1: it has none yet, or has ended.
  int pidfd() const { return process ? process->child().pidfd.get() : init.get(); }
  // It lives on without this process.
  void detach();
};

// The container of an id below a state root. Errors: "container does not exist", an unreadable record.
Result<Container> find_container(const std::string& state_root, const std::string& id);

// The same below a state root that is open.
Result<Container> find_container(int root, const std::string& id);

// The same, for a command that enters it. Waits, for at most kLockTime, for one that is still being made: its workload
// may print before minirun learns that it runs. Where minirun was killed it may be creating still.
Result<Container> find_made(int root, const std::string& id);

// The same with an empty status, for a command that does not care whether it waits or is paused. One whose
// first process is not recorded yet is waited for, as its workload may run by then: for at most kLockTime.
Result<Container> find_processes(const std::string& state_root, const std::string& id);

// The same for a command that changes the container: its lock is held as long as the result lives.
Result<Container> find_locked(const std::string& state_root, const std::string& id);

// The same in a directory that is open. One without a record has nothing but the directory yet: creating, with the
// bare record below.
Result<Container> inspect(StateDirectory state);

// The same for a record that was read from it.
Result<Container> inspect(StateDirectory state, ContainerRecord record);

// A record of any format; bare_record() without one.
Result<ContainerRecord> read_record(const StateDirectory& state);

// What is known of a container whose record is missing or damaged: its id, and the directory's time for `created`.
ContainerRecord bare_record(const StateDirectory& state);

// Writes down how it ended, for the next who asks, unless its record says so already. Does nothing when it was deleted.
Result<void> remember_exit(const Container& found, int exit_status);

// Its cgroup: ErrorKind::state when it never had one, ENOENT when it is gone, ESTALE when another one has its place
// (never touch that one).
Result<Cgroup> open_cgroup(const ContainerRecord& record);

// Of another boot nothing is left, whatever has its numbers now: they are given out anew, cgroups' inodes in the same
// order.
bool of_this_boot(const ContainerRecord& record);

// The same: absent when it is gone, was never made, is of another boot, or another one has its place. Of a container
// whose cgroup is not recorded yet (minirun was killed before) also when another container's mark is on it.
Result<std::optional<Cgroup>> find_cgroup(const Container& container);

// The same of a container whose init lives; else "container not running".
Result<Cgroup> open_running_cgroup(const Container& container);

// runtime-spec runtime.md, "State": as one JSON object.
void append_state(JsonWriter& json, const ContainerRecord& record, const std::string& status, pid_t pid);

// The owner of the containers below a state root: "root", or the user id, as minirun asks no name service.
// open_state_root() refuses the state roots of other users.
std::string owner_name();

}  // namespace minirun
