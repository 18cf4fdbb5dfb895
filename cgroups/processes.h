// SPDX-License-Identifier: Apache-2.0
// Who is inside a cgroup, in words, for error messages.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace minirun {

// "pid 123 (java, D, nfs_wait), pid 124 (sh, S) and more": the first few processes in the cgroup and below it, with
// name, state letter, the kernel function they sleep in (proc_pid_stat(5), proc_pid_wchan(5)) and their tracer,
// which can keep them from ending, as far as they can be seen from here. "processes that cannot be seen from here" when
// none can (another pid namespace, or just ended).
std::string describe_processes(int cgroup_fd);

// The same of processes that are known.
std::string describe_processes(const std::vector<pid_t>& pids);

// Of these the ones that the freezer has not stopped (by their wchan); all, where that is unknown.
std::string describe_unfrozen_processes(int cgroup_fd);

// All pids in the cgroup and below it, sorted; those that cannot be seen from here are left out. ENODEV or ENOENT: the
// cgroup is gone.
Result<std::vector<pid_t>> list_processes(int cgroup_fd);

// One of them from the text of its /proc/PID/stat and wchan. Name bytes that could steer a terminal become "?".
// reaper: of a zombie, who has to wait for it, "pid 7 (sh)".
std::string describe_process(std::string_view pid, std::string_view stat, std::string_view wchan,
                             std::string_view reaper = "");

}  // namespace minirun
