// SPDX-License-Identifier: Apache-2.0
// The seccomp filter of the resident init. A workload with CAP_SYS_PTRACE can make its PID 1 perform any system call,
// and must not get past its own filter that way. Shared with the freestanding init program.
#pragma once

#include <asm/unistd.h>
#include <stdint.h>

namespace minirun {

// All calls that Executor makes between loading this filter and its end. No argument needs narrowing: once the workload
// runs, the control socket is its only descriptor.
constexpr uint32_t kResidentCalls[] = {
    __NR_futex,            // the wait for the workload's exec
    __NR_rt_sigprocmask,   // a created container's wait for start
    __NR_accept4,          //
    __NR_nanosleep,        //
    __NR_close,            //
    __NR_sendmsg,          // running, exited, failed
    __NR_recvfrom,         // failed: until minirun hangs up
    __NR_close_range,      // when the workload has executed its program
    __NR_munmap,           // the plan, and the code of the launch
    __NR_madvise,          // the stack that the launch took
    __NR_rt_sigtimedwait,  // from here on the loop
    __NR_wait4,            //
    __NR_kill,             //
    __NR_rt_sigqueueinfo,  //
    __NR_clock_gettime,    // the time of the workload's end
    __NR_exit_group,
};
constexpr unsigned kResidentCallCount = sizeof kResidentCalls / sizeof kResidentCalls[0];

struct BpfInstruction {  // struct sock_filter
  uint16_t code;
  uint8_t if_true, if_false;
  uint32_t k;
};

// load the architecture; another: kill. Load the number; one comparison for each call; else EPERM; allow.
constexpr unsigned kResidentFilterLength = 4 + kResidentCallCount + 2;

struct ResidentFilter {
  BpfInstruction code[kResidentFilterLength];
};

namespace bpf {
#if defined(__x86_64__)
constexpr uint32_t kArch = 0xc000003e;  // AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
constexpr uint32_t kArch = 0xc00000b7;
#endif
constexpr uint16_t kLoad = 0x20, kEqual = 0x15, kReturn = 0x06;
constexpr uint32_t kNumberAt = 0, kArchAt = 4;  // struct seccomp_data
constexpr uint32_t kAllow = 0x7fff0000, kRefuse = 0x00050000 | 1 /* EPERM */, kKill = 0x80000000;
}  // namespace bpf

constexpr ResidentFilter make_resident_filter() {
  using namespace bpf;
  ResidentFilter filter{};
  unsigned at = 0;
  filter.code[at++] = {kLoad, 0, 0, kArchAt};
  filter.code[at++] = {kEqual, 1, 0, kArch};
  filter.code[at++] = {kReturn, 0, 0, kKill};
  filter.code[at++] = {kLoad, 0, 0, kNumberAt};
  for (unsigned i = 0; i < kResidentCallCount; i++)  // to the last instruction, over those that are left and EPERM
    filter.code[at++] = {kEqual, static_cast<uint8_t>(kResidentCallCount - i), 0, kResidentCalls[i]};
  filter.code[at++] = {kReturn, 0, 0, kRefuse};
  filter.code[at++] = {kReturn, 0, 0, kAllow};
  return filter;
}

}  // namespace minirun
