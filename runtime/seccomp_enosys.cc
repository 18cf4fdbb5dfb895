#include "runtime/seccomp_enosys.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace minirun {
namespace {

sock_filter statement(unsigned code, uint32_t k) {
  return {static_cast<uint16_t>(code), 0, 0, k};
}

sock_filter jump(unsigned code, uint32_t k, size_t if_true, size_t if_false) {
  return {static_cast<uint16_t>(BPF_JMP | BPF_K | code), static_cast<uint8_t>(if_true), static_cast<uint8_t>(if_false),
          k};
}

// For one architecture with its tables in ascending order, the architecture in the accumulator:
//
//     jeq arch          else: behind the block, with the accumulator as it was
//     ld nr
//     jgt newest        else: ja   (known, the filter decides)
//     jgt last          else: ret  (a system call, newer than the profile)
//     …the same two for the next table, which lies above
//     ja                to the filter
//     ret ENOSYS
std::vector<sock_filter> block(uint32_t audit_arch, const std::vector<NewestSyscall>& tables) {
  std::vector<sock_filter> code;
  const size_t size = 4 + 2 * tables.size();
  const size_t leave = size - 2;
  const size_t refuse = size - 1;
  code.push_back(jump(BPF_JEQ, audit_arch, 0, size - 1));
  code.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const NewestSyscall& table : tables) {
    code.push_back(jump(BPF_JGT, table.number, 0, leave - code.size() - 1));
    code.push_back(jump(BPF_JGT, table.last, 0, refuse - code.size() - 1));
  }
  code.push_back(statement(BPF_JMP | BPF_JA, 0));  // its target is known once all blocks are there
  code.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
  return code;
}

}  // namespace

std::vector<sock_filter> enosys_prologue(const std::vector<NewestSyscall>& newest) {
  std::vector<sock_filter> code;
  std::vector<uint32_t> done;
  for (const NewestSyscall& first : newest) {
    if (std::find(done.begin(), done.end(), first.audit_arch) != done.end()) continue;
    done.push_back(first.audit_arch);
    std::vector<NewestSyscall> tables;
    for (const NewestSyscall& other : newest)
      if (other.audit_arch == first.audit_arch) tables.push_back(other);
    std::sort(tables.begin(), tables.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
    if (code.empty()) code.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
    const std::vector<sock_filter> next = block(first.audit_arch, tables);
    code.insert(code.end(), next.begin(), next.end());
  }
  for (size_t i = 0; i < code.size(); ++i)
    if (code[i].code == (BPF_JMP | BPF_JA)) code[i].k = static_cast<uint32_t>(code.size() - i - 1);
  return code;
}

}  // namespace minirun
