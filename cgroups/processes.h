// SPDX-License-Identifier: Apache-2.0
// Describes the processes in a cgroup, for error messages.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace minirun {

// "pid 123 (java, D, nfs_wait), pid 124 (sh, S) and more": the first few visible processes in the cgroup and below it,
// with name, state letter, the kernel function they sleep in (proc_pid_stat(5), proc_pid_wchan(5)) and their tracer,
// which can keep them from ending. "processes that cannot be seen from here" if none is visible (another pid namespace,
// or just ended).
std::string describe_processes(int cgroup_fd);

// The same for these processes.
std::string describe_processes(const std::vector<pid_t>& pids);

// The same for those that the freezer has not stopped (by their wchan), or all if that is unknown.
std::string describe_unfrozen_processes(int cgroup_fd);

// All visible pids in the cgroup and below it, sorted. ENODEV or ENOENT: the cgroup is gone.
Result<std::vector<pid_t>> list_processes(int cgroup_fd);

// The same for one who only looks. A cgroup below that this user may not read, or that is one too many, counts as
// unseen, and what is inside is missing.
struct VisibleProcesses {
  std::vector<pid_t> pids;  // sorted
  size_t unseen = 0;        // cgroups
  bool cut = false;         // more processes than asked for
};
struct LookLimits {
  size_t processes = SIZE_MAX;
  size_t cgroups = 1 << 20;
};
// Errors: those of the cgroup itself, as with list_processes().
Result<VisibleProcesses> look_at_processes(int cgroup_fd, const LookLimits& limits);

// Describes one of them from the text of its /proc/PID/stat and wchan. Name bytes that could control a terminal become
// "?". reaper: the process that has to wait for a zombie, "pid 7 (sh)".
std::string describe_process(std::string_view pid, std::string_view stat, std::string_view wchan,
                             std::string_view reaper = "");

}  // namespace minirun
