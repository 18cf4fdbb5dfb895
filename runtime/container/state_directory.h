// SPDX-License-Identifier: Apache-2.0
// What minirun remembers about a container between commands: a directory for each id under the state root, with a
// record. minirun writes the record before the first kernel object exists (an intent) and again when the init process
// is known, so that a command can clean up after a minirun that was killed at any instruction.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cgroups/cgroup.h"
#include "cgroups/usage.h"
#include "runtime/oci/spec.h"
#include "runtime/resources/intel_rdt.h"
#include "runtime/resources/kept_changes.h"
#include "runtime/resources/systemd_record.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// Identifies a process, so that a recycled pid is never mistaken for it.
struct ProcessIdentity {
  pid_t pid = 0;             // 0: none yet
  uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat (proc_pid_stat(5)), 10 ms each
  uint64_t pidfd_inode = 0;  // unique since boot, Linux 6.9; 0: unavailable

  // Identifies a process that a pidfd holds, so that its pid cannot be recycled meanwhile.
  static Result<ProcessIdentity> of(pid_t pid, int pidfd);
};

// The first member of every record from format 2 on; a record without it has format 1 (up to 65916da). The number rises
// when a member changes its meaning, not when one is added: a reader skips those that it does not know. `delete
// --force` removes a container of any format by its record, so some members keep their meaning forever:
// docs/upgrades.md.
constexpr uint64_t kRecordFormat = 2;

// What the command that saw the end knew, beside the exit status. For a report.
struct EndRecord {
  std::optional<int> wait_status;  // the workload's own
  std::string limit;               // of a deadline that ended it: "timeout", "cpu-time"; "": none
  int stop_signal = 0;             // that it was asked by to end; 0: none
  bool killed = false;             // SIGKILL followed
  std::string time;                // RFC 3339; "": not known
  bool reported = false;           // a report is in the directory of reports
};

// What was counted before the container existed, for a report.
struct Baseline {
  UsageCounters counters;  // of its cgroup, if it existed before
  Ancestors ancestors;
};

struct ContainerRecord {
  uint64_t format = kRecordFormat;
  std::string made_by;  // the version of the minirun that wrote it; "" in format 1
  std::string id;
  std::string bundle;                    // absolute
  std::string rootfs;                    // absolute
  std::string created;                   // RFC 3339, UTC
  std::string boot_id;                   // /proc/sys/kernel/random/boot_id: nothing from another boot can be alive
  CgroupRecord cgroup;                   // its path is known before it is made
  std::optional<SystemdRecord> systemd;  // absent: minirun made the cgroup itself
  ProcessIdentity init;
  RdtRecord rdt;                  // known before it is made
  ChangesRecord changes;          // known before anything of it is made
  bool overlay = false;           // the root is an overlay, whose changes are in memory or there
  bool resident_init = true;      // that process is minirun's init, which forwards signals to the workload
  bool own_pid_namespace = true;  // its end ends all processes
  // For a detached container with a deadline: the process that keeps the time, and its watchdog. Each ends the
  // container if the other one ends first.
  std::vector<ProcessIdentity> keepers;
  std::optional<int> exit_status;  // the workload's, as run returns it, if minirun saw the end
  std::optional<EndRecord> end;
  std::optional<Baseline> baseline;
  bool attached = false;  // it ends with the minirun that made it, which records or removes it
  bool terminal = false;
  oci::StringMap annotations;
};

// [A-Za-z0-9_][A-Za-z0-9_+.-]*, at most 255 bytes: a name for a directory, never a path, never an option.
Result<void> check_id(const std::string& id);

// Opens the state root. Refuses one that others own or can write to. make: makes a missing one and its parent with mode
// 0700; otherwise a missing one is ENOENT.
Result<UniqueFd> open_state_root(const std::string& path, bool make);

// An existing state root; else "container does not exist".
Result<UniqueFd> open_existing_root(const std::string& state_root);

// Whether an error says "container does not exist".
bool is_no_container(const Error& error);

constexpr std::chrono::seconds kLockTime{10};

// A container's directory. Removes itself, record and all, unless detached.
class StateDirectory {
 public:
  // Claims the id, and locks it as lock() does. If it is taken: ErrorKind::state, "container with given ID already
  // exists".
  static Result<StateDirectory> claim(int root_fd, const std::string& id);
  static Result<StateDirectory> open(int root_fd, const std::string& id);  // detached; or is_no_container()

  StateDirectory(StateDirectory&& other) noexcept;
  StateDirectory& operator=(StateDirectory&&) = delete;
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;
  ~StateDirectory();

  int fd() const { return fd_.get(); }
  const std::string& id() const { return id_; }
  // Lets it stay.
  void detach() { owned_ = false; }
  // Whether it removes itself.
  bool is_owned() const { return owned_; }

  // A command that changes a container holds its lock (flock(2) on the directory), so concurrent commands run one after
  // the other. Waits up to `longest`, then ErrorKind::busy; is_no_container() if it was deleted meanwhile.
  Result<void> lock(std::chrono::milliseconds longest = kLockTime) const;
  // Closing the last descriptor releases the lock too, so a killed command leaves none behind.
  void unlock() const;

  Result<void> write(const ContainerRecord& record) const;
  // ENOENT: no record. EINVAL: it is damaged. It may be of a newer format, which check_format() refuses.
  Result<ContainerRecord> read() const;
  // Removes it with its content, the record last, so that the rest of an interrupted remove() can still be found.
  Result<void> remove();

  // Keeps a copy of config.json: later changes to the bundle's have no effect (runtime-spec runtime.md, "Lifecycle").
  Result<void> write_config(std::string_view text) const;
  Result<std::string> read_config() const;

  // The mark on its cgroup (Cgroup::mark()): the id and the state root.
  Result<std::string> mark() const;

  // The id of another container in the same state root whose record names this cgroup. Skips unreadable records.
  std::optional<std::string> other_owner(const std::string& cgroup_path) const;

 private:
  StateDirectory(UniqueFd root, std::string id, UniqueFd fd, bool owned)
      : root_(std::move(root)), id_(std::move(id)), fd_(std::move(fd)), owned_(owned) {}

  UniqueFd root_;
  std::string id_;
  UniqueFd fd_;
  bool owned_;
};

// An error of creating something in a state directory. It distinguishes a filesystem without inodes from a full one.
Error in_state_directory(int dirfd, Error error);

// Ids of all containers under the root, sorted.
Result<std::vector<std::string>> list_ids(int root_fd);

// A pidfd of a process in the record, also of a zombie, or ENOENT if it is gone (also: another boot, a recycled pid).
Result<UniqueFd> open_process(const ContainerRecord& record, const ProcessIdentity& wanted);

// Whether a process is exiting or gone: the kernel closes its descriptors before its pidfd becomes readable.
bool is_exiting(pid_t pid);

Result<std::string> current_boot_id();

}  // namespace minirun
