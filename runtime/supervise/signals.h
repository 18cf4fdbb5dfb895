// SPDX-License-Identifier: Apache-2.0
// Signals sent to minirun itself: minirun blocks them and reads them from a descriptor.
//
// From the first side effect on, every blockable signal is blocked, whatever the caller's mask and dispositions were: a
// blocked signal is queued even if it is ignored (signal(7)). So minirun behaves the same under nohup(1), under a
// shell's `&` and under an engine that blocks signals. minirun's own faults (SIGSEGV by a bad access) still end it: the
// kernel does not queue those.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// One signal, as signalfd(2) reports it.
struct Signal {
  int number = 0;
  int code = 0;  // si_code: SI_USER, SI_QUEUE, SI_KERNEL…
  uint32_t sender_pid = 0;
  uint32_t sender_uid = 0;
  uint64_t value = 0;  // sigqueue(3)'s value
};

class Signals {
 public:
  // Blocks every signal of the process and gives SIGCHLD its default disposition: if the caller ignored it, the kernel
  // would discard the wait status of children. Call it before the first side effect.
  //
  // The mask is inherited: the init program unblocks and resets everything before the workload's exec; the code that
  // starts another child (a hook) gives it an empty mask and default dispositions (posix_spawnattr_setsigmask(3)).
  static Result<Signals> block();

  // Readable when collect() has something to take. Borrowed; -1 while the queue is full.
  int fd() const { return queue_.size() < kQueueLimit ? fd_.get() : -1; }

  // Moves pending signals into the queue; never waits. Drops SIGCHLD (children are awaited by pidfd), and those that
  // minirun causes by writing (SIGPIPE, SIGXFSZ).
  Result<void> collect();

  // From that moment on abort_request() returns kTimeIsOver, and fd() becomes readable once.
  Result<void> give_up_at(std::chrono::steady_clock::time_point moment);

  // The oldest abort request in the queue, a signal that abandons a launch: SIGINT, SIGTERM, SIGHUP or SIGQUIT. The
  // others stay for the workload. Call collect() first.
  std::optional<int> abort_request() const;

  // Collects, and fails with given_up() when one of those has come.
  Result<void> check_abort();

  bool empty() const { return queue_.empty(); }
  const Signal& front() const { return queue_.front(); }  // only when !empty()
  void pop() { queue_.pop_front(); }

 private:
  // Further signals stay in the kernel's queue, which has its own limit (RLIMIT_SIGPENDING): the sender gets the error.
  static constexpr size_t kQueueLimit = 4096;

  UniqueFd fd_;
  std::deque<Signal> queue_;
  std::optional<std::chrono::steady_clock::time_point> end_;
};

// An abort request without a signal: --timeout is over.
constexpr int kTimeIsOver = -1;

// The error of a command after an abort request: "given up: signal 15", and the exit status 143.
Error given_up(int signal);

// Forwards a signal to the process of a pidfd: one that was queued with a value keeps it, and its sender. Returns 0 or
// the errno value of pidfd_send_signal(2): EAGAIN when the receiver's queue is full, ESRCH when the process has ended.
int pass_on(int pidfd, const Signal& signal);

}  // namespace minirun
