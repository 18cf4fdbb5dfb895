// SPDX-License-Identifier: Apache-2.0
// Stamps the steps of a plan with the time that they took, for --timing. Child side of clone: see executor.h for the
// rules. Without PlanHeader::stamps it makes no system call.
#pragma once

#include "namespaces/calls.h"

namespace minirun {

template <class Kernel>
class StepTimer {
 public:
  // plan: nullptr: nothing is stamped.
  StepTimer(Kernel& kernel, PlanHeader* plan) : kernel_(kernel) {
    if (plan == nullptr || plan->stamps == 0) return;
    stamps_ = reinterpret_cast<Stamp*>(reinterpret_cast<char*>(plan) + plan->stamps);
    filtered_ = plan->stamps_filtered != 0;
  }

  // A step after which a filter may kill this process for reading a clock has no end, and the steps after it have none
  // of both: the workload's own, unless it is known to allow it, and the one of the init.
  void begin(uint32_t index, const Step& step) {
    if (stamps_ == nullptr) return;
    stamps_[index].begun = read(kStampClock);
    stamps_[index].cpu_before = read(kStampCpuClock);
    bool confines = get_if<steps::Supervise>(step) != nullptr;
    if (confines || (!filtered_ && get_if<steps::Seccomp>(step) != nullptr)) stamps_ = nullptr;
  }
  void end(uint32_t index) {
    if (stamps_ == nullptr) return;
    stamps_[index].cpu_used = read(kStampCpuClock);
    stamps_[index].ended = read(kStampClock);
  }

 private:
  // The vDSO is not for programs without libc.
  uint64_t read(uint64_t clock) {
    struct {
      int64_t seconds, nanoseconds;
    } now{};
    if (kernel_.call(__NR_clock_gettime, clock, address(&now)) < 0) return 0;
    constexpr uint64_t kSecond = 1'000'000'000;
    return static_cast<uint64_t>(now.seconds) * kSecond + static_cast<uint64_t>(now.nanoseconds);
  }

  Kernel& kernel_;
  Stamp* stamps_ = nullptr;
  bool filtered_ = false;
};

}  // namespace minirun
