// SPDX-License-Identifier: Apache-2.0
// One cgroup v2 directory of a container: made, limited, killed, removed. Everything goes through descriptors; only
// the cgroup that was made (or was found empty) here is ever killed, and only directories made here are removed.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cgroups/hierarchy.h"
#include "cgroups/limits.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// What a later command needs to find exactly this cgroup; part of the container's state.
struct CgroupRecord {
  std::string path;     // absolute inside the mount: "/minirun-web1", "/a/b"
  uint64_t device = 0;  // st_dev and st_ino; inode 0: not known
  uint64_t inode = 0;
  // How many of the path's last components minirun removes; 0: the cgroup existed, empty. With inode 0 they were
  // missing when the record was written (survey()), so whatever exists there now belongs to the container.
  uint32_t made = 0;
};

class Cgroup {
 public:
  // Monotonic: steady_clock is CLOCK_MONOTONIC.
  using Deadline = std::chrono::steady_clock::time_point;

  // What remove() does about processes inside: kill them, or wait for them to end by themselves.
  enum class Processes { kill, wait };

  // Makes the directory and its missing parents, and enables the needed controllers in each ancestor, if they are not
  // enabled yet. On failure it removes all that it made; controllers stay enabled in ancestors, since others may have
  // begun to use them. path: absolute, without "", "." and ".." components; never "/": EINVAL. An existing leaf is used
  // only if it has no processes and no children and is not frozen: EEXIST otherwise. For an unavailable controller
  // (code 0 or the kernel's), the message says which limit needs it and why it is missing.
  static Result<Cgroup> create(const Hierarchy& hierarchy, const std::string& path,
                               const std::vector<ControllerNeed>& needed);

  // A directory that another program (systemd) has made for the container, around a process that is still inside.
  struct Adopted {
    std::string path;
    std::string below;  // "": itself; else the container's is a new one of this name in it, and the process moves there
    pid_t process = 0;
  };
  // Treated as if made here: killed and removed at the end, with `below` also the one above it. Controllers as with
  // create(). On failure what was made here is removed again.
  static Result<Cgroup> adopt(const Hierarchy& hierarchy, const Adopted& adopted,
                              const std::vector<ControllerNeed>& needed);

  // Stands for a container without a cgroup, since an ordinary user may be unable to make one. Its path is "", its
  // descriptor -1; it has nothing to kill, to wait for or to remove.
  static Cgroup none() { return Cgroup(UniqueFd(), UniqueFd(), CgroupRecord()); }
  bool is_none() const { return record_.path.empty(); }

  // Records what is at the path before create(). The record goes into the state before anything is made, so that the
  // cgroup is known to be the container's even if minirun is killed before it can write more.
  static Result<CgroupRecord> survey(const Hierarchy& hierarchy, const std::string& path);

  // The cgroup of a record. ENOENT: it is gone. ESTALE: another one has taken its place (never touch it). If the record
  // has neither inode nor made, this opens whatever is at the path; then kill() refuses.
  static Result<Cgroup> open(const Hierarchy& hierarchy, const CgroupRecord& record);

  // For CLONE_INTO_CGROUP, BPF_PROG_ATTACH, read_stats(). Borrowed: lives as long as the Cgroup.
  int fd() const { return leaf_.get(); }
  const CgroupRecord& record() const { return record_; }

  // Does the writes in order and stops at the first that fails: the error has the limit, the file, the value, the
  // errno and the reason.
  Result<void> apply(const std::vector<Write>& writes) const;

  // The same for a cgroup in use, all or nothing: on any failure the earlier writes are undone, and the error says so
  // if that failed too. Values that must not be below the present use are checked before the first write. `last` runs
  // after the writes and is part of the change.
  Result<void> change(const std::vector<Write>& writes, const std::function<Result<void>()>& last) const;

  // Enables controllers for it that were not needed when it was made: see enable_controllers().
  Result<void> enable(const std::vector<ControllerNeed>& needed) const;

  // Enables for it all controllers that `top`, a cgroup above it ("": the root), offers; see enable_offered().
  Result<std::vector<std::string>> enable_offered(const std::string& top) const;

  // Makes the user the owner of it and of the files that the kernel lists as safe to delegate. Does nothing for a
  // cgroup that existed before, since that stays.
  Result<void> give_to(uint32_t uid) const;

  // "pids.max of cgroup /x is 3" if it or one above it has no room for another task; else "".
  std::string reached_pids_limit() const;

  // Why clone3(2) with CLONE_INTO_CGROUP failed with this code, if the cgroup is the cause ("pids.max is 1"); else "".
  std::string explain_join(int code) const;

  // SIGKILL to every process in it and below (cgroup.kill, Linux 5.14), frozen ones too. No error when it is gone.
  Result<void> kill() const;

  // Whether it or a cgroup below has processes. False when it is gone.
  Result<bool> is_populated() const;

  // Writes the owner (at most some 900 bytes) on the cgroup, for find_marked(). Does nothing for a cgroup that existed
  // before, since it would keep the mark. ENOTSUP: the kernel has no extended attributes there.
  Result<void> mark(const std::string& owner) const;

  // Whether the mark on it names another owner. Without a mark its owner is unknown.
  bool is_marked_by_another(const std::string& owner) const;

  // The cgroups with exactly this mark: usually none or one. Walks the whole tree, but not into containers, and only
  // partly through a subtree of some hundred thousand cgroups, so that no container can hide others behind them.
  static Result<std::vector<Cgroup>> find_marked(const Hierarchy& hierarchy, const std::string& owner);

  // Waits until no process is left in it and below. EBUSY at the deadline, naming the processes, as remove().
  Result<void> wait_until_empty(Deadline deadline) const;

  // Removes it, what the container made below it, and the directories above that create() made, if nothing else has
  // moved in. Returns as soon as the kernel allows it; EBUSY at the deadline, naming what is still inside: "pid 123
  // (java, D, nfs_wait)". A missing cgroup is success.
  Result<void> remove(Processes processes, Deadline deadline);

 private:
  Cgroup(UniqueFd root, UniqueFd leaf, CgroupRecord record)
      : root_(std::move(root)), leaf_(std::move(leaf)), record_(std::move(record)) {}

  UniqueFd root_;
  UniqueFd leaf_;
  CgroupRecord record_;
};

}  // namespace minirun
