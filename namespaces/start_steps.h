// SPDX-License-Identifier: Apache-2.0
// The wait between create and start, and what may end it. Child side of clone: see executor.h for the rules.
#pragma once

#include "namespaces/kernel.h"
#include "namespaces/process_steps.h"

namespace minirun {

// The handler of a process that waits for start. Where its filter forbids exit_group(2) it dies of SIGILL.
[[noreturn]] inline void end_by_signal(int number) {
  RawKernel::exit(128 + number);
}

template <class Kernel>
class StartSteps : public ProcessSteps<Kernel> {
 public:
  using Base = ProcessSteps<Kernel>;
  using Base::Base;

  // The kernel drops signals for which the first process of a pid namespace has no handler (pid_namespaces(7)). The
  // exec removes the handlers (signal(7)), and blocked signals do not reach them: the resident init blocks everything.
  long heed_signals() {
    constexpr uint64_t kRestorer = 0x04000000;  // x86-64 calls no handler without one; nothing returns to it
    struct {                                    // the kernel's struct sigaction
      uint64_t handler, flags, restorer, mask;
    } action = {reinterpret_cast<uint64_t>(&end_by_signal), kRestorer, reinterpret_cast<uint64_t>(&end_by_signal), 0};
    for (uint64_t number = 1; number <= 64; number++) {
      if ((kHeeded >> (number - 1) & 1) == 0) continue;
      long rc = this->call(__NR_rt_sigaction, number, address(&action), 0, sizeof action.mask);
      if (rc < 0) return rc;
    }
    return 0;
  }

  // Waits between create and start. The listening socket is in the state directory; a start that dies before it
  // releases the container leaves it unchanged. start gets the plan's memory, so that it can read the report. unblocks:
  // under a filter nothing is blocked any more.
  long await_start(const steps::AwaitStart& step) {
    constexpr uint64_t kBlock = 0, kUnblock = 1;
    const long listener = this->slot(step.socket);
    const bool unblocks = step.unblocks != 0;
    long rc = unblocks ? change_mask(kUnblock) : 0;
    if (rc >= 0) rc = this->send(Message::created, 0, -1);
    if (rc < 0) return rc;
    do {
      this->close(this->control_);
      rc = accept(listener);
      if (rc < 0) return rc;
      this->control_ = static_cast<int>(rc);
      rc = this->send(Message::plan, kPlanFormat, this->plan_->memory);
      if (rc >= 0) rc = this->receive_release();
    } while (rc < 0);
    this->close(listener);
    return unblocks ? change_mask(kBlock) : rc;
  }

 protected:
  // Only once: a seccomp filter may refuse a second call, or kill for it.
  void unblock_signals() {
    if (signals_unblocked_) return;
    signals_unblocked_ = true;
    uint64_t none = 0;
    constexpr uint64_t kSetMask = 2;
    (void)this->call(__NR_rt_sigprocmask, kSetMask, address(&none), 0, sizeof none);
  }

 private:
  static constexpr uint64_t kHeeded = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14;  // SIGHUP, SIGINT, SIGQUIT, SIGTERM

  long change_mask(uint64_t how) {
    const uint64_t heeded = kHeeded;
    return this->call(__NR_rt_sigprocmask, how, address(&heeded), 0, sizeof heeded);
  }

  // Retries errors that are not the container's fault: minirun has reported it as created.
  long accept(long listener) {
    constexpr uint64_t kCloexec = 02000000;
    struct {
      int64_t seconds, nanoseconds;
    } nap = {0, 10000000};
    for (;;) {
      long rc = this->call(__NR_accept4, descriptor(listener), 0, 0, kCloexec);
      switch (rc) {
        case -EINTR:
        case -ECONNABORTED:
          break;
        case -ENFILE:
        case -EMFILE:
        case -ENOMEM:
        case -ENOBUFS:
          (void)this->call(__NR_nanosleep, address(&nap));
          break;
        default:
          return rc;
      }
    }
  }

  bool signals_unblocked_ = false;
};

}  // namespace minirun
