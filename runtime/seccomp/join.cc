// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/join.h"

#include <linux/seccomp.h>

#include <cerrno>
#include <cstddef>
#include <utility>

#include "runtime/seccomp/code.h"

namespace minirun {
namespace {

// A placeholder for a jump to the filter with this index, until all places are known.
sock_filter to_filter(size_t index) {
  return jump_always(index);
}

// The number in the accumulator:
//     jgt newest   else: to the filter, which knows the call
//     jgt last     else: ENOSYS
//     ja           to the filter
//     ret ENOSYS
BpfCode table_part(const TableFilter& table, size_t index) {
  if (!table.newest) return {to_filter(index)};
  return {jump(BPF_JGT, *table.newest, 0, 1), jump(BPF_JGT, table.last, 0, 1), to_filter(index),
          statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)};
}

// One architecture with its one or two tables, the architecture in the accumulator:
//     jeq arch     else: behind the block, with the accumulator as it was
//     ld nr
//     jge first of the second table, else: the part of the first
BpfCode arch_block(const std::vector<TableFilter>& filters, size_t index) {
  const uint32_t arch = filters[index].audit_arch;
  BpfCode parts = table_part(filters[index], index);
  for (size_t second = index + 1; second < filters.size(); ++second) {
    if (filters[second].audit_arch != arch) continue;
    parts.insert(parts.begin(), jump(BPF_JGE, filters[second].first, parts.size(), 0));
    const BpfCode more = table_part(filters[second], second);
    parts.insert(parts.end(), more.begin(), more.end());
    break;
  }
  BpfCode block = {jump(BPF_JEQ, arch, 0, parts.size() + 1), load(offsetof(seccomp_data, nr))};
  block.insert(block.end(), parts.begin(), parts.end());
  return block;
}

bool is_second_table(const std::vector<TableFilter>& filters, size_t index) {
  for (size_t i = 0; i < index; ++i)
    if (filters[i].audit_arch == filters[index].audit_arch) return true;
  return false;
}

}  // namespace

std::vector<sock_filter> join_filters(const std::vector<TableFilter>& filters) {
  if (filters.size() == 1 && !filters[0].newest) return filters[0].code;
  BpfCode joined = {load(offsetof(seccomp_data, arch))};
  for (size_t i = 0; i < filters.size(); ++i) {
    if (is_second_table(filters, i)) continue;
    const BpfCode block = arch_block(filters, i);
    joined.insert(joined.end(), block.begin(), block.end());
  }
  const size_t dispatch = joined.size();
  std::vector<size_t> starts;
  for (const TableFilter& filter : filters) {
    starts.push_back(joined.size());
    joined.insert(joined.end(), filter.code.begin(), filter.code.end());
  }
  for (size_t i = 0; i < dispatch; ++i)
    if (joined[i].code == (BPF_JMP | BPF_JA)) joined[i].k = static_cast<uint32_t>(starts[joined[i].k] - i - 1);
  return joined;
}

}  // namespace minirun
