// SPDX-License-Identifier: Apache-2.0
// A filter that decides by the system call's number, as few instructions. libseccomp has one comparison and one return
// for each call; profiles allow long rows of neighbours. What the kernel does with a filter on loading it (checks it,
// compiles it, and runs it for each number: kernel/seccomp.c, seccomp_cache_prepare, Linux 5.11) takes as long as the
// filter is.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

namespace minirun {

// A filter that gives the same answer as `code` to every call of every architecture: a binary search for the range that
// the number is in, and behind it what `code` has for numbers whose arguments it looks at. `audit_arch` is the one
// whose calls `code` distinguishes. Where `code` has other instructions than libseccomp makes, it is returned as it is.
std::vector<sock_filter> search_by_ranges(const std::vector<sock_filter>& code, uint32_t audit_arch);

}  // namespace minirun
