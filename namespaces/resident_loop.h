// SPDX-License-Identifier: Apache-2.0
// What the resident init does while its workload lives.
#pragma once

#include "namespaces/end_page.h"
#include "namespaces/process_steps.h"

namespace minirun {

struct RawUsage {  // struct rusage
  int64_t user_seconds, user_us, system_seconds, system_us;
  int64_t max_rss_kib;
  int64_t rest[13];
};

// What a launch leaves behind in the program that becomes the resident init. Empty where that is not known.
struct Leftovers {
  uint64_t code = 0, code_bytes = 0;  // in whole pages
  uint64_t stack_end = 0;             // as well
};

// frame: the address of the caller's, which keeps what it needs within kFrame of it: below on x86-64, above on aarch64.
// All else on the stack is lost.
template <class Kernel>
void free_launch(Kernel& kernel, const Leftovers& leftovers, uint64_t frame) {
  constexpr uint64_t kDontNeed = 4, kPage = 4096, kFrame = 1024, kDeepest = 65536;
  const Leftovers all = leftovers;  // on the stack too
  if (all.code_bytes == 0) return;
  const uint64_t below = (frame - kFrame) / kPage * kPage, above = (frame + kFrame + kPage - 1) / kPage * kPage;
  (void)kernel.call(__NR_madvise, below - kDeepest, kDeepest, kDontNeed);
  if (all.stack_end > above) (void)kernel.call(__NR_madvise, above, all.stack_end - above, kDontNeed);
  (void)kernel.call(__NR_munmap, all.code, all.code_bytes);
}

struct WorkloadEnd {
  int32_t status = 0;   // as wait4(2) gives it
  int last_signal = 0;  // that was forwarded last; 0: none
  RawUsage usage{};
};

// Reaps whatever has ended; true when the workload was among it.
template <class Kernel>
bool reap(Kernel& kernel, long workload, WorkloadEnd* end) {
  constexpr uint64_t kAny = ~0ULL, kNoHang = 1;
  bool ended = false;
  for (;;) {
    int32_t status = 0;
    RawUsage usage{};
    long pid = kernel.call(__NR_wait4, kAny, address(&status), kNoHang, address(&usage));
    if (pid <= 0) return ended;
    if (pid != workload) continue;
    end->status = status;
    end->usage = usage;
    ended = true;
  }
}

// Waits with every signal blocked, takes each from the queue once and forwards it once, with its value if it has one
// (sigqueue(3)), until the workload ends.
template <class Kernel>
WorkloadEnd reap_and_forward(Kernel& kernel, long workload) {
  constexpr int kQueued = -1;
  const uint64_t all = ~0ULL;
  struct {  // siginfo_t
    int32_t signal, error, code;
    char rest[116];
  } info;
  WorkloadEnd end;
  for (;;) {
    long signal = kernel.call(__NR_rt_sigtimedwait, address(&all), address(&info), 0, sizeof all);
    if (signal < 0) continue;  // EINTR: stopped and continued
    if (signal == static_cast<long>(kSigchld)) {
      if (reap(kernel, workload, &end)) return end;
      continue;
    }
    // The kernel's own stop signals (a background read of a terminal) mean this process, not the workload.
    bool tty_stop = signal >= kSigtstp && signal <= kSigttou;
    if (tty_stop && info.code > 0) continue;
    auto number = static_cast<uint64_t>(signal);
    end.last_signal = static_cast<int>(signal) & kLastSignalBits;
    if (info.code == kQueued)
      (void)kernel.call(__NR_rt_sigqueueinfo, descriptor(workload), number, address(&info));
    else
      (void)kernel.call(__NR_kill, descriptor(workload), number);
  }
}

// The kernel writes the time: where the page cannot be had (the filesystem is full, the file was cut) it says EFAULT,
// and a store would end this process by SIGBUS, and lose the status.
template <class Kernel>
void write_end(Kernel& kernel, const WorkloadEnd& end, EndPage* page) {
  constexpr uint64_t kRealtime = 0;
  if (kernel.call(__NR_clock_gettime, kRealtime, address(&page->seconds)) < 0) return;
  page->wait_status = end.status;
  page->last_signal = static_cast<uint32_t>(end.last_signal);
  page->user_seconds = end.usage.user_seconds;
  page->user_us = end.usage.user_us;
  page->system_seconds = end.usage.system_seconds;
  page->system_us = end.usage.system_us;
  page->max_rss_kib = end.usage.max_rss_kib;
  __atomic_store_n(&page->state, kEndWritten, __ATOMIC_RELEASE);
}

}  // namespace minirun
