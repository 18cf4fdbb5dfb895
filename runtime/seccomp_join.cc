#include "runtime/seccomp_join.h"

#include <linux/seccomp.h>

#include <cerrno>
#include <cstddef>
#include <utility>

namespace minirun {
namespace {

using Code = std::vector<sock_filter>;

sock_filter statement(unsigned code, uint32_t k) {
  return {static_cast<uint16_t>(code), 0, 0, k};
}

sock_filter jump(unsigned code, uint32_t k, size_t if_true, size_t if_false) {
  return {static_cast<uint16_t>(BPF_JMP | BPF_K | code), static_cast<uint8_t>(if_true), static_cast<uint8_t>(if_false),
          k};
}

// Stands for a jump to the filter with this index until the place of all is known.
sock_filter to_filter(size_t index) {
  return statement(BPF_JMP | BPF_JA, static_cast<uint32_t>(index));
}

// The number in the accumulator:
//     jgt newest   else: to the filter, which knows the call
//     jgt last     else: ENOSYS
//     ja           to the filter
//     ret ENOSYS
Code table_part(const TableFilter& table, size_t index) {
  if (!table.newest) return {to_filter(index)};
  return {jump(BPF_JGT, *table.newest, 0, 1), jump(BPF_JGT, table.last, 0, 1), to_filter(index),
          statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)};
}

// One architecture with its one or two tables, the architecture in the accumulator:
//     jeq arch     else: behind the block, with the accumulator as it was
//     ld nr
//     jge first of the second table, else: the part of the first
Code arch_block(const std::vector<TableFilter>& filters, size_t index) {
  const uint32_t arch = filters[index].audit_arch;
  Code parts = table_part(filters[index], index);
  for (size_t second = index + 1; second < filters.size(); ++second) {
    if (filters[second].audit_arch != arch) continue;
    parts.insert(parts.begin(), jump(BPF_JGE, filters[second].first, parts.size(), 0));
    const Code more = table_part(filters[second], second);
    parts.insert(parts.end(), more.begin(), more.end());
    break;
  }
  Code block = {jump(BPF_JEQ, arch, 0, parts.size() + 1),
                statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
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
  Code joined = {statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch))};
  for (size_t i = 0; i < filters.size(); ++i) {
    if (is_second_table(filters, i)) continue;
    const Code block = arch_block(filters, i);
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
