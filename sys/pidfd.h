// SPDX-License-Identifier: Apache-2.0
// Processes by descriptors: pidfd_open(2), Linux 5.3.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// Opens a process whose number cannot have been reused: a child of the caller's, or one just reported. ESRCH: no such
// process.
Result<UniqueFd> open_pidfd(pid_t pid);

// pidfd_send_signal(2), Linux 5.1: true if the process exists, also if it has ended and waits to be reaped; false if it
// is gone (ESRCH). signal: 0 only checks. info: what sigqueue(3) would send; null: as kill(2). Errors: EPERM; EAGAIN if
// the receiver's queue is full.
Result<bool> send_signal(int pidfd, int signal, siginfo_t* info = nullptr);

// Whether the process has ended by the deadline; it may still wait to be reaped.
Result<bool> await_end(int pidfd, std::chrono::steady_clock::time_point deadline);

// Whether it has ended by now.
Result<bool> has_ended(int pidfd);

// The pids of all visible processes (proc(5)), sorted.
Result<std::vector<pid_t>> all_pids();

// The children of this process, which has one thread, zombies included. An error means that the list is unknown, not
// empty. list: proc_tid_children(5), which a kernel without CONFIG_PROC_CHILDREN lacks: then this asks every process
// for its parent.
Result<std::vector<pid_t>> own_children(const std::string& list = "/proc/thread-self/children");

}  // namespace minirun
