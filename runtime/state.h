// What minirun remembers of a container between commands: one directory for each id under the state root, with one
// record in it. It is written before the first kernel object exists (an intent) and again when the init process is
// known, so that a command can clean up after a minirun that was killed at any instruction.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "cgroups/cgroup.h"
#include "runtime/spec.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// Names a process so that a recycled pid is never taken for it.
struct ProcessIdentity {
  pid_t pid = 0;             // 0: none yet
  uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat (proc_pid_stat(5)), 10 ms each
  uint64_t pidfd_inode = 0;  // unique since boot, Linux 6.9; 0: not to be had

  // Of a process that is held by a pidfd, so that it cannot be recycled meanwhile.
  static Result<ProcessIdentity> of(pid_t pid, int pidfd);
};

struct ContainerRecord {
  std::string id;
  std::string bundle;   // absolute
  std::string rootfs;   // absolute
  std::string created;  // RFC 3339, UTC
  std::string boot_id;  // /proc/sys/kernel/random/boot_id: of another boot, nothing of it can be alive
  CgroupRecord cgroup;  // its path is known before it is made
  ProcessIdentity init;
  oci::StringMap annotations;
};

// [A-Za-z0-9_][A-Za-z0-9_+.-]*, at most 255 bytes: a name for a directory, never a path, never an option.
Result<void> check_id(const std::string& id);

// Twelve random hexadecimal digits (getrandom(2)).
Result<std::string> make_up_id();

// The state root. Refused when others can write to it or it is somebody else's. make: with mode 0700 when missing,
// with its parent; otherwise a missing one is ENOENT.
Result<UniqueFd> open_state_root(const std::string& path, bool make);

// A container's directory. Removes itself, record and all, unless kept.
class StateDirectory {
 public:
  // Claims the id: EEXIST, "container with given ID already exists", when it is taken.
  static Result<StateDirectory> claim(int root_fd, const std::string& id);
  static Result<StateDirectory> open(int root_fd, const std::string& id);  // kept; ENOENT: "container does not exist"

  StateDirectory(StateDirectory&& other) noexcept;
  StateDirectory& operator=(StateDirectory&&) = delete;
  StateDirectory(const StateDirectory&) = delete;
  StateDirectory& operator=(const StateDirectory&) = delete;
  ~StateDirectory();

  int fd() const { return fd_.get(); }
  void keep() { kept_ = true; }

  Result<void> write(const ContainerRecord& record) const;
  Result<ContainerRecord> read() const;
  Result<void> remove();

 private:
  StateDirectory(int root_fd, std::string id, UniqueFd fd, bool kept)
      : root_fd_(root_fd), id_(std::move(id)), fd_(std::move(fd)), kept_(kept) {}

  int root_fd_;  // borrowed
  std::string id_;
  UniqueFd fd_;
  bool kept_;
};

// Ids of all containers under the root, sorted.
Result<std::vector<std::string>> list_ids(int root_fd);

// A pidfd of the record's init, or ENOENT when that process is gone (also: another boot, a recycled pid, a zombie).
Result<UniqueFd> open_init(const ContainerRecord& record);

Result<std::string> current_boot_id();

// RFC 3339 in UTC with nanoseconds, as engines parse it.
std::string now_rfc3339();

}  // namespace minirun
