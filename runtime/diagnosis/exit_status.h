// SPDX-License-Identifier: Apache-2.0
// How a process ended that is not a child of this one.
#pragma once

#include <optional>

#include "sys/result.h"

namespace minirun {

// Waits until the process ends and returns its wait status (waitpid(2)); nothing when the kernel does not say: it does
// since Linux 6.15 to a pidfd that was opened before the process was reaped (PIDFD_GET_INFO), and before only as long
// as the process waits to be reaped (field 52 of /proc/PID/stat).
Result<std::optional<int>> await_exit(int pidfd, pid_t pid);

// The same of a process that has ended, at once.
std::optional<int> exit_by_now(int pidfd, pid_t pid);

// The same of a child that has ended (its pidfd is readable), at once. A tracer has the first word of a zombie
// (ptrace(2)), and may keep it for ever: then the status is that of /proc/PID/stat. The child is not reaped.
Result<int> status_of_ended(int pidfd, pid_t pid);

// Reaps a child that has ended. One that its tracer does not give back within a second is left to it.
void reap_ended(int pidfd);

// 128 + signal, or the exit code.
int shell_status(int wait_status);

}  // namespace minirun
