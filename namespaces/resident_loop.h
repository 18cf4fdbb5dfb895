// SPDX-License-Identifier: Apache-2.0
// What the resident init does while its workload lives.
#pragma once

#include "namespaces/process_steps.h"

namespace minirun {

// Reaps whatever has ended; true when the workload was among it.
template <class Kernel>
bool reap(Kernel& kernel, long workload, int32_t* workload_status) {
  constexpr uint64_t kAny = ~0ULL, kNoHang = 1;
  bool ended = false;
  for (;;) {
    int32_t status = 0;
    long pid = kernel.call(__NR_wait4, kAny, address(&status), kNoHang, 0);
    if (pid <= 0) return ended;
    if (pid != workload) continue;
    *workload_status = status;
    ended = true;
  }
}

// Waits with every signal blocked, takes each from the queue once and forwards it once, with its value if it has one
// (sigqueue(3)). Returns the workload's wait status, with the last forwarded signal above it (kLastSignalShift).
template <class Kernel>
int reap_and_forward(Kernel& kernel, long workload) {
  constexpr int kQueued = -1;
  const uint64_t all = ~0ULL;
  struct {  // siginfo_t
    int32_t signal, error, code;
    char rest[116];
  } info;
  int last = 0;
  for (;;) {
    long signal = kernel.call(__NR_rt_sigtimedwait, address(&all), address(&info), 0, sizeof all);
    if (signal < 0) continue;  // EINTR: stopped and continued
    if (signal == static_cast<long>(kSigchld)) {
      int32_t status = 0;
      if (reap(kernel, workload, &status)) return (status & kWaitStatusBits) | last << kLastSignalShift;
      continue;
    }
    // The kernel's own stop signals (a background read of a terminal) mean this process, not the workload.
    bool tty_stop = signal >= kSigtstp && signal <= kSigttou;
    if (tty_stop && info.code > 0) continue;
    auto number = static_cast<uint64_t>(signal);
    last = static_cast<int>(signal) & kLastSignalBits;
    if (info.code == kQueued)
      (void)kernel.call(__NR_rt_sigqueueinfo, descriptor(workload), number, address(&info));
    else
      (void)kernel.call(__NR_kill, descriptor(workload), number);
  }
}

}  // namespace minirun
