// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/call_names.h"

#include <fmt/format.h>
#include <linux/audit.h>
#include <seccomp.h>

#include <cstdlib>

namespace minirun {
namespace {

constexpr uint32_t kBitOfX32 = 0x40000000;

struct NamedTable {
  oci::SeccompArch arch;
  uint32_t token;  // SCMP_ARCH_*
  uint32_t audit_arch;
  const char* name;
};

constexpr NamedTable kNamedTables[] = {
#if defined(__x86_64__)
    {oci::SeccompArch::x86_64, SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, "x86_64"},
    {oci::SeccompArch::x86, SCMP_ARCH_X86, AUDIT_ARCH_I386, "i386"},
    {oci::SeccompArch::x32, SCMP_ARCH_X32, AUDIT_ARCH_X86_64, "x32"},
#elif defined(__aarch64__)
    {oci::SeccompArch::aarch64, SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, "aarch64"},
    {oci::SeccompArch::arm, SCMP_ARCH_ARM, AUDIT_ARCH_ARM, "arm"},
#endif
};

const NamedTable* find_table(const CallId& call) {
  // -1 is what a tracer leaves of a call that it skips (seccomp(2)): libseccomp takes that for one of x86-64.
  const bool x32 =
      call.arch == AUDIT_ARCH_X86_64 && call.number != -1 && (static_cast<uint32_t>(call.number) & kBitOfX32) != 0;
  for (const NamedTable& table : kNamedTables)
    if (table.audit_arch == call.arch && (table.arch == oci::SeccompArch::x32) == x32) return &table;
  return nullptr;
}

}  // namespace

oci::SeccompArch own_table() {
  return kNamedTables[0].arch;
}

std::optional<oci::SeccompArch> table_of(const CallId& call) {
  const NamedTable* table = find_table(call);
  return table == nullptr ? std::nullopt : std::optional(table->arch);
}

std::vector<CallId> calls_of_name(const std::string& name) {
  constexpr int kLeastMultiplexed = -299, kMostMultiplexed = -101;
  std::vector<CallId> calls;
  for (const NamedTable& table : kNamedTables) {
    const int number = seccomp_syscall_resolve_name_arch(table.token, name.c_str());
    bool multiplexed = table.arch == oci::SeccompArch::x86 && number >= kLeastMultiplexed && number <= kMostMultiplexed;
    if (number >= 0 || multiplexed) calls.push_back({table.audit_arch, number});
  }
  return calls;
}

std::string name_of_call(const CallId& call) {
  const NamedTable* table = find_table(call);
  char* name =
      table == nullptr || call.number < 0 ? nullptr : seccomp_syscall_resolve_num_arch(table->token, call.number);
  std::string text = name != nullptr ? name : fmt::format("system call {}", call.number);
  std::free(name);  // NOLINT: libseccomp allocates it with malloc(3)
  return text;
}

std::string name_of_arch(const CallId& call) {
  const NamedTable* table = find_table(call);
  return table == nullptr ? fmt::format("{:#x}", call.arch) : table->name;
}

}  // namespace minirun
