// SPDX-License-Identifier: Apache-2.0
// The exit status of a process that is not a child of this one.
#pragma once

#include <optional>

#include "sys/result.h"

namespace minirun {

// After a deadline, as that of timeout(1).
constexpr int kTimedOutStatus = 124;

// Waits until the process ends and returns its wait status (waitpid(2)), if the kernel reports it: since Linux 6.15
// through a pidfd that was opened before the process was reaped (PIDFD_GET_INFO), on older kernels only while the
// process is a zombie (field 52 of /proc/PID/stat).
Result<std::optional<int>> await_exit(int pidfd, pid_t pid);

// The same for a process that has ended, without waiting.
std::optional<int> exit_if_known(int pidfd, pid_t pid);

// The same for a process that has ended; waits up to a second until it is reaped if it cannot be read before.
std::optional<int> exit_by_now(int pidfd, pid_t pid);

// The same for a child that has ended (its pidfd is readable), without waiting or reaping. A tracer learns of the
// zombie first (ptrace(2)), and may keep it forever: then the status comes from /proc/PID/stat.
Result<int> status_of_ended(int pidfd, pid_t pid);

// Reaps a child that has ended. Gives up if its tracer does not release it within a second.
void reap_ended(int pidfd);

// 128 + signal, or the exit code.
int shell_status(int wait_status);

}  // namespace minirun
