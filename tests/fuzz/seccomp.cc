// SPDX-License-Identifier: Apache-2.0
// Any profile: the filter is one that the kernel takes, and for every system call that it may be asked about it answers
// what the first matching rule says, or the default where none matches. The oracle is an interpreter of classic BPF.
#include "runtime/seccomp/answer.h"
#include "runtime/seccomp/filter.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/seccomp_reference.h"

namespace minirun {
namespace {

using namespace seccomp_reference;

std::string shown(const char* what, uint32_t answer, const seccomp_data& call) {
  std::string text = fmt::format("{}: answer {:#x} for arch {:#x} call {:#x}", what, answer, call.arch,
                                 static_cast<uint32_t>(call.nr));
  for (uint64_t arg : call.args) text += fmt::format(" {:#x}", arg);
  return text;
}

void check_table(const oci::Seccomp& profile, const Table& table, const std::vector<sock_filter>& filter,
                 fuzz::Input input) {
  Reference reference(profile, table);
  for (int round = 0; round < 8; ++round) {
    uint64_t args[6];
    for (uint64_t& arg : args) {
      arg = kValues[input.below(std::size(kValues))] + input.below(3) - 1;
      if (table.words_of_32_bits) arg &= 0xffffffff;
    }
    for (const char* name : kNames) {
      seccomp_data call{};
      call.nr = reference.number(name);
      call.arch = table.audit_arch;
      std::copy(std::begin(args), std::end(args), call.args);
      if (call.nr < 0) continue;
      auto answer = seccomp_answer(filter, call);
      HOLDS(answer.has_value(), shown("the kernel would not take it", 0, call));
      HOLDS(reference.answers(call).contains(*answer), shown("no rule says so", *answer, call));
    }
  }
}

}  // namespace
}  // namespace minirun

FUZZ(input) {
  using namespace minirun;
  using namespace minirun::seccomp_reference;
  oci::Seccomp profile = make_profile(input);
  auto program = compile_seccomp(profile);
  if (!program.ok()) {
    HOLDS(program.error().text().find("/linux/seccomp") == 0, program.error().text());
    return;
  }
  HOLDS(!program->filter.empty() && program->filter.size() <= BPF_MAXINSNS, std::to_string(program->filter.size()));
  const std::vector<sock_filter>& filter = program->filter;
  for (const Table& table : kTables) {
    const auto& wanted = profile.architectures;
    bool listed = &table == kTables || std::find(wanted.begin(), wanted.end(), table.arch) != wanted.end();
    if (listed && (!table.words_of_32_bits || fits(profile))) check_table(profile, table, filter, input);
  }
  // A table that the profile does not list is never allowed.
  seccomp_data foreign{};
  foreign.arch = AUDIT_ARCH_MIPS64;
  foreign.nr = static_cast<int>(input.below(500));
  auto answer = seccomp_answer(filter, foreign);
  uint32_t action = answer.value_or(SECCOMP_RET_ALLOW) & SECCOMP_RET_ACTION_FULL;
  HOLDS(action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD,
        shown("another machine", action, foreign));
}
