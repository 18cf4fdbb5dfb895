// SPDX-License-Identifier: Apache-2.0
// Shortens a filter that decides by the system call's number. libseccomp emits one comparison and one return for each
// call, while profiles allow long ranges of neighbours. The time to load a filter grows with its length: the kernel
// checks it, compiles it, and runs it for each number (kernel/seccomp.c, seccomp_cache_prepare, Linux 5.11).
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

namespace minirun {

// A filter that gives the same answer as `code` to every call of every architecture: a binary search for the number's
// range, followed by the parts of `code` that examine arguments. `audit_arch`: the architecture whose calls `code`
// distinguishes. Returns `code` unchanged if it has other instructions than libseccomp emits.
std::vector<sock_filter> search_by_ranges(const std::vector<sock_filter>& code, uint32_t audit_arch);

}  // namespace minirun
