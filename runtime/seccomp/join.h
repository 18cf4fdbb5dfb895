// SPDX-License-Identifier: Apache-2.0
// Joins the filters for each of the machine's tables of system calls into one, with ENOSYS for calls newer than the
// profile.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace minirun {

// One table of system calls and the filter for it. x32 is a second table of AUDIT_ARCH_X86_64, above the first.
struct TableFilter {
  uint32_t audit_arch = 0;         // seccomp_data.arch: AUDIT_ARCH_*
  uint32_t first = 0;              // the lowest number of the table
  uint32_t last = 0;               // numbers above it are not newer calls: the filter decides
  std::optional<uint32_t> newest;  // numbers above it, up to `last`, get ENOSYS; absent: none do
  std::vector<sock_filter> code;
};

// `filters`: at least one; calls of other architectures go to the first, which must refuse them. The result may be
// longer than BPF_MAXINSNS.
std::vector<sock_filter> join_filters(const std::vector<TableFilter>& filters);

}  // namespace minirun
