// The instructions before a profile's filter that answer ENOSYS to system calls newer than the profile.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

namespace minirun {

// One table of system calls. x32 is a second one of AUDIT_ARCH_X86_64, its numbers with __X32_SYSCALL_BIT.
struct NewestSyscall {
  uint32_t audit_arch = 0;  // seccomp_data.arch: AUDIT_ARCH_*
  uint32_t number = 0;      // the highest in the table that the profile names
  uint32_t last = 0;        // where the table ends: higher numbers are left to the filter
};

// Nothing for an empty list.
std::vector<sock_filter> enosys_prologue(const std::vector<NewestSyscall>& newest);

}  // namespace minirun
