// SPDX-License-Identifier: Apache-2.0
// --explain-seccomp: a small process that answers the notifications of an explaining filter (seccomp/explain.h) as the
// profile says, and counts them. It is a process of its own so that no answer waits for what minirun does meanwhile (a
// hook, its own removal), and no flood of notifications keeps minirun from its signals and the terminal.
//
// It is a fork of minirun in its own process group with every signal blocked, holds only its socket and the listeners,
// and ends when minirun closes its end of the socket, or is gone. Then the kernel answers with ENOSYS
// (seccomp_unotify(2)), so a container without it may find calls missing, but never gets one that the profile refuses.
#pragma once

#include <sys/types.h>

#include <optional>

#include "runtime/diagnosis/refusals.h"
#include "runtime/seccomp/explain.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

class RefusalCounter {
 public:
  // Call it before the container's first process exists, which is then newer than this one.
  static Result<RefusalCounter> start(const RefusalRules& rules);
  RefusalCounter(RefusalCounter&& other) noexcept = default;
  RefusalCounter& operator=(RefusalCounter&&) = delete;
  RefusalCounter(const RefusalCounter&) = delete;
  RefusalCounter& operator=(const RefusalCounter&) = delete;
  // Kills and reaps it. By then no process of the container should be left.
  ~RefusalCounter();

  // Hands over a listener: that of the container, or of a hook that runs like its process.
  Result<void> take(int listener);

  // What was counted so far; from here on it only answers. Call it once. first: the container's first process;
  // under_init: that is minirun's init, and the workload its eldest child.
  Refusals finish(pid_t first, bool under_init);

 private:
  RefusalCounter(UniqueFd pidfd, UniqueFd socket) : pidfd_(std::move(pidfd)), socket_(std::move(socket)) {}
  UniqueFd pidfd_;
  UniqueFd socket_;
};

}  // namespace minirun
