// The instructions before a profile's filter that answer ENOSYS to system calls newer than the profile.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

namespace minirun {

struct NewestSyscall {
  uint32_t audit_arch = 0;  // seccomp_data.arch: AUDIT_ARCH_*
  uint32_t number = 0;      // the highest that the profile names; x32's with __X32_SYSCALL_BIT, beside x86-64's own
};

// Numbers from 2^30 on are not system calls (-1 is one that a tracer skips) or those of x32: they are left to the
// filter, but for x32's where `newest` has an entry for it. Nothing for an empty list.
std::vector<sock_filter> enosys_prologue(const std::vector<NewestSyscall>& newest);

}  // namespace minirun
