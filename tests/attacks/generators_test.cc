// SPDX-License-Identifier: Apache-2.0
// What the kernel is given to decide with: the seccomp filter and the device program, each against the rules that it
// was made from, for made-up rules by the thousand. One answer that is less strict than the rules is a hole in every
// container that relies on them. From a seed, for a time: $MINIRUN_SEED and $MINIRUN_GENERATOR_SECONDS (10).
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>

#include "runtime/seccomp/answer.h"
#include "runtime/seccomp/filter.h"
#include "sys/fd.h"
#include "tests/support/device_rules.h"
#include "tests/support/seccomp_reference.h"
#include "tests/unit/cgroups/device_machine.h"

namespace minirun::testing {
namespace {

using namespace seccomp_reference;
using std::chrono::steady_clock;

unsigned number_of(const char* variable, unsigned otherwise) {
  const char* text = getenv(variable);
  return text == nullptr ? otherwise : static_cast<unsigned>(strtoul(text, nullptr, 10));
}

class Random {
 public:
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(engine_() % limit); }
  bool coin() { return below(2) == 1; }

 private:
  std::mt19937_64 engine_{number_of("MINIRUN_SEED", 20261129)};
};

class Generators : public ::testing::Test {
 protected:
  bool has_time() const { return steady_clock::now() < end_ && !HasFailure(); }
  Random random_;

 private:
  steady_clock::time_point end_ =
      steady_clock::now() + std::chrono::seconds(number_of("MINIRUN_GENERATOR_SECONDS", 10));
};

std::string words(const seccomp_data& call) {
  std::string text = "arch " + std::to_string(call.arch) + " call " + std::to_string(call.nr);
  for (uint64_t arg : call.args) text += " " + std::to_string(arg);
  return text;
}

// A call with arguments at, right below and right above the values that rules ask for.
seccomp_data make_call(Random& random, const Table& table, int number) {
  seccomp_data call{};
  call.nr = number;
  call.arch = table.audit_arch;
  for (__u64& arg : call.args) {
    arg = kValues[random.below(std::size(kValues))] + random.below(3) - 1;
    if (table.words_of_32_bits) arg &= 0xffffffff;
  }
  return call;
}

struct Counts {
  uint64_t calls = 0, wrong = 0;
  std::string first;  // the first wrong answer
};

// All calls that the profile may name, with some arguments each.
void compare(Random& random, const oci::Seccomp& profile, const std::vector<sock_filter>& code, Counts* counts) {
  for (const Table& table : kTables) {
    const auto& wanted = profile.architectures;
    bool listed = &table == kTables || std::find(wanted.begin(), wanted.end(), table.arch) != wanted.end();
    if (!listed || (table.words_of_32_bits && !fits(profile))) continue;
    const Reference reference(profile, table);
    for (const char* name : kNames) {
      const int number = reference.number(name);
      for (int i = 0; number >= 0 && i < 8; ++i) {
        const seccomp_data call = make_call(random, table, number);
        const auto answer = seccomp_answer(code, call);
        ++counts->calls;
        if (answer && reference.answers(call).contains(*answer)) continue;
        if (counts->wrong++ == 0) counts->first = words(call);
      }
    }
  }
}

TEST_F(Generators, SeccompFilterAnswersAsTheRulesRead) {
  Counts counts;
  uint64_t profiles = 0;
  while (has_time()) {
    const oci::Seccomp profile = make_profile(random_);
    auto program = compile_seccomp(profile);
    if (!program.ok()) continue;  // a profile that is refused lets nothing through
    ++profiles;
    compare(random_, profile, program->filter, &counts);
    EXPECT_EQ(counts.wrong, 0U) << "profile " << profiles << ": " << counts.first;
  }
  std::cout << counts.calls << " rounds: seccomp filters of " << profiles << " profiles, " << counts.wrong
            << " answers against the rules\n";
  EXPECT_GT(counts.calls, 20000U) << "hardly anything was compared";
}

// That the comparison finds what is wrong: the branches of one jump of the filter exchanged.
TEST_F(Generators, AWrongFilterIsFound) {
  int made = 0, found = 0;
  while (made < 100) {
    const oci::Seccomp profile = make_profile(random_);
    auto program = compile_seccomp(profile);
    if (!program.ok()) continue;
    std::vector<sock_filter*> jumps;
    for (sock_filter& op : program->filter)
      if (BPF_CLASS(op.code) == BPF_JMP && BPF_OP(op.code) != BPF_JA && op.jt != op.jf) jumps.push_back(&op);
    if (jumps.empty()) continue;
    sock_filter* changed = jumps[random_.below(static_cast<uint32_t>(jumps.size()))];
    std::swap(changed->jt, changed->jf);
    Counts counts;
    compare(random_, profile, program->filter, &counts);
    ++made;
    found += counts.wrong > 0 ? 1 : 0;
  }
  // The rest are jumps for calls that nothing above asks for, and rules that come to the same either way.
  std::cout << made << " rounds: one jump of a filter turned round, noticed " << found << " times\n";
  EXPECT_GE(found, 50);
}

// As runc and crun use it: every rule goes into one libseccomp context for the architecture.
std::vector<sock_filter> compile_as_peers(const oci::Seccomp& profile) {
  constexpr scmp_compare kOperators[] = {SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE,       SCMP_CMP_EQ,
                                         SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ};
  scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(EPERM));
  for (const oci::SeccompRule& rule : profile.syscalls) {
    const oci::SeccompArg& arg = rule.args[0];
    const scmp_arg_cmp condition{arg.index, kOperators[static_cast<size_t>(arg.op)], arg.value, 0};
    const int number = seccomp_syscall_resolve_name(rule.names[0].c_str());
    EXPECT_EQ(seccomp_rule_add_array(context, SCMP_ACT_ALLOW, number, 1, &condition), 0);
  }
  const UniqueFd memory(memfd_create("seccomp", MFD_CLOEXEC));
  EXPECT_EQ(seccomp_export_bpf(context, memory.get()), 0);
  seccomp_release(context);
  const off_t size = lseek(memory.get(), 0, SEEK_END);
  std::vector<sock_filter> code(static_cast<size_t>(size) / sizeof(sock_filter));
  EXPECT_EQ(pread(memory.get(), code.data(), static_cast<size_t>(size), 0), size);
  return code;
}

// Two or three comparisons of 64 bits on one argument of one call, each of which allows it.
oci::Seccomp make_orders(Random& random) {
  constexpr Op kOrders[] = {Op::lt, Op::le, Op::ge, Op::gt};
  oci::Seccomp profile;
  profile.default_action = Action::error;
  for (uint32_t left = 2 + random.below(2); left > 0; --left) {
    oci::SeccompRule rule;
    rule.names = {"personality"};
    rule.action = Action::allow;
    rule.args = {{2, kValues[random.below(std::size(kValues))], 0, kOrders[random.below(4)]}};
    profile.syscalls.push_back(rule);
  }
  return profile;
}

// The known weakness of libseccomp 2.5 for which minirun compiles such rules itself (runtime/seccomp/conditions.h).
// What libseccomp does is counted, and is no failure here: another version may do better.
TEST_F(Generators, SeveralOrdersOfOneArgument) {
  uint64_t calls = 0, wrong = 0, lax = 0, strict = 0;
  while (has_time()) {
    const oci::Seccomp profile = make_orders(random_);
    auto program = compile_seccomp(profile);
    ASSERT_TRUE(program.ok()) << program.error().text();
    const std::vector<sock_filter> peers = compile_as_peers(profile);
    const Reference reference(profile, kTables[0]);
    const int number = reference.number("personality");
    for (int i = 0; i < 100; ++i) {
      const seccomp_data call = make_call(random_, kTables[0], number);
      const uint32_t right = *reference.answers(call).begin();
      ++calls;
      if (seccomp_answer(program->filter, call) != right && wrong++ == 0) ADD_FAILURE() << words(call);
      if (seccomp_answer(peers, call) == right) continue;
      ++(right == SECCOMP_RET_ALLOW ? strict : lax);
    }
  }
  const scmp_version* version = seccomp_version();
  std::cout << calls << " rounds: orders of 64 bits: minirun " << wrong << " answers against the rules; libseccomp "
            << version->major << "." << version->minor << "." << version->micro << " alone " << lax
            << " less strict than the rules, " << strict << " more\n";
  EXPECT_GT(calls, 20000U);
}

// The program throws where the kernel's verifier would not take it.
TEST_F(Generators, DeviceFilterDecidesAsTheRulesRead) {
  uint64_t accesses = 0, lists = 0;
  while (has_time()) {
    const std::vector<DeviceRule> rules = make_device_rules(random_);
    auto program = compile_device_filter(rules);
    ASSERT_TRUE(program.ok()) << program.error().text();
    ++lists;
    for (DeviceType type : {DeviceType::block, DeviceType::character})
      for (uint32_t major : kDeviceNumbers)
        for (uint32_t minor : kDeviceNumbers)
          for (uint8_t bits = 1; bits <= kDeviceAll; ++bits, ++accesses) {
            const Access access{type, major, minor, bits};
            const bool allowed = program->empty() || DeviceMachine(*program).run(access);
            ASSERT_EQ(allowed, expected(rules, access)) << "list " << lists << ", " << major << ":" << minor;
          }
  }
  std::cout << accesses << " rounds: device filters of " << lists << " lists of rules, 0 decisions against them\n";
  EXPECT_GT(accesses, 20000U);
}

}  // namespace
}  // namespace minirun::testing
