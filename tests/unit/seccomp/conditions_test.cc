// SPDX-License-Identifier: Apache-2.0
// Rules that ask for arguments.
#include "runtime/seccomp/conditions.h"

#include <sys/syscall.h>

#include <cerrno>

#include "tests/unit/seccomp/seccomp_filter.h"

namespace minirun {
namespace {

TEST(CompileSeccomp, ComparesArgumentsAsUnsigned64BitNumbers) {
  struct Case {
    Operator op;
    bool below, equal, above;  // is the rule met by an argument below, at, above the value?
  };
  const Case cases[] = {{Operator::ne, true, false, true}, {Operator::lt, true, false, false},
                        {Operator::le, true, true, false}, {Operator::eq, false, true, false},
                        {Operator::ge, false, true, true}, {Operator::gt, false, false, true}};
  for (const Case& c : cases) {
    for (uint64_t value : {uint64_t{1}, uint64_t{0xffffffff}, uint64_t{0x100000000}, uint64_t{0x8000000000000000}}) {
      for (uint32_t index : {0U, 5U}) {
        Filter filter(profile(Action::allow, {rule({"kill"}, Action::error, {{index, value, 0, c.op}}, EXDEV)}));
        auto met = [&](uint64_t argument) {
          Args args = {};
          args[index] = argument;
          return filter.answer(SYS_kill, args) == (SECCOMP_RET_ERRNO | EXDEV);
        };
        EXPECT_EQ(met(value - 1), c.below) << "op " << int(c.op) << " value " << value;
        EXPECT_EQ(met(value), c.equal) << "op " << int(c.op) << " value " << value;
        EXPECT_EQ(met(value + 1), c.above) << "op " << int(c.op) << " value " << value;
      }
    }
  }
}

TEST(CompileSeccomp, MasksAnArgumentWithTheFirstValueAndComparesWithTheSecond) {
  Filter filter(profile(Action::error, {rule({"clone"}, Action::allow,
                                             {{0, 0xff00ff00000000ff, 0x0100000000000001, Operator::masked_eq}})}));
  EXPECT_EQ(filter.answer(SYS_clone, {0x0100000000000001}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(SYS_clone, {0x01ab00cdffffff01}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(SYS_clone, {0x0100000000000003}), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(filter.answer(SYS_clone, {0x0300000000000001}), SECCOMP_RET_ERRNO | EPERM);
}

TEST(CompileSeccomp, JoinsConditionsOnDifferentArgumentsWithAnd) {
  Filter filter(
      profile(Action::error, {rule({"socket"}, Action::allow, {{0, 2, 0, Operator::eq}, {1, 1, 0, Operator::eq}})}));
  EXPECT_EQ(filter.answer(SYS_socket, {2, 1}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(SYS_socket, {2, 3}), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(filter.answer(SYS_socket, {3, 1}), SECCOMP_RET_ERRNO | EPERM);
}

TEST(CompileSeccomp, TakesConditionsOnOneArgumentAsAlternatives) {
  Filter filter(profile(Action::error,
                        {rule({"personality"}, Action::allow, {{0, 0, 0, Operator::eq}, {0, 8, 0, Operator::eq}})}));
  EXPECT_EQ(filter.answer(SYS_personality, {0}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(SYS_personality, {8}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(SYS_personality, {4}), SECCOMP_RET_ERRNO | EPERM);
}

// libseccomp's tree of rules answered some of these with the default.
TEST(CompileSeccomp, TakesOrdersOfOneArgumentAsAlternatives) {
  const uint64_t values[] = {0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x8000000000000000};
  for (uint64_t one : values) {
    for (uint64_t other : values) {
      Filter filter(profile(Action::error,
                            {rule({"bpf"}, Action::allow, {{2, one, 0, Operator::le}, {2, other, 0, Operator::le}}),
                             rule({"bpf"}, Action::log, {{2, 0x9000000000000000, 0, Operator::ge}})}));
      for (uint64_t value : values) {
        for (uint64_t argument : {value - 1, value, value + 1})
          EXPECT_EQ(filter.answer(SYS_bpf, {0, 0, argument}),
                    argument <= one || argument <= other ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EPERM)
              << one << " " << other << " " << argument;
      }
      EXPECT_EQ(filter.answer(SYS_bpf, {0, 0, 0x9000000000000000}), SECCOMP_RET_LOG);
    }
  }
}

TEST(CompileSeccomp, TheFirstRuleWhoseConditionsHoldAnswers) {
  Filter filter(profile(Action::allow, {rule({"kill"}, Action::error, {{0, 5, 0, Operator::ge}}, EXDEV),
                                        rule({"kill"}, Action::error, {{0, 3, 0, Operator::ge}}, ENOENT),
                                        rule({"kill"}, Action::error, {{1, 9, 0, Operator::eq}}, EIO)}));
  EXPECT_EQ(filter.answer(SYS_kill, {7, 9}), SECCOMP_RET_ERRNO | EXDEV);
  EXPECT_EQ(filter.answer(SYS_kill, {4, 9}), SECCOMP_RET_ERRNO | ENOENT);
  EXPECT_EQ(filter.answer(SYS_kill, {2, 9}), SECCOMP_RET_ERRNO | EIO);
  EXPECT_EQ(filter.answer(SYS_kill, {2, 1}), SECCOMP_RET_ALLOW);
}

TEST(CompileSeccomp, ARuleWithoutConditionsMakesTheOthersOfItsCallIdle) {
  const oci::SeccompRule all = rule({"kill"}, Action::log);
  const oci::SeccompRule some = rule({"kill"}, Action::error, {{0, 5, 0, Operator::ge}});
  for (const auto& rules : {std::vector{all, some}, std::vector{some, all}})
    EXPECT_EQ(Filter(profile(Action::allow, rules)).answer(SYS_kill, {7}), SECCOMP_RET_LOG);
}

#if defined(__x86_64__)
TEST(CompileSeccomp, ComparesTheLowerHalvesWhereWordsHave32Bits) {
  oci::Seccomp seccomp = profile(Action::error, {rule({"kill"}, Action::allow, {{0, ~uint64_t{0}, 0, Operator::eq}}),
                                                 rule({"bpf"}, Action::allow, {{0, 7, 0, Operator::gt}})});
  seccomp.architectures = {oci::SeccompArch::x86, oci::SeccompArch::x32};
  Filter filter(seccomp);
  constexpr uint32_t kKillOfI386 = 37, kBpfOfI386 = 357;
  EXPECT_EQ(filter.answer(kKillOfI386, {0xffffffff}, AUDIT_ARCH_I386), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(kKillOfI386, {0xfffffffe}, AUDIT_ARCH_I386), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(filter.answer(kBpfOfI386, {8}, AUDIT_ARCH_I386), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(kBpfOfI386, {7}, AUDIT_ARCH_I386), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(filter.answer(SYS_kill | kX32Bit, {0xffffffff}), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(SYS_kill, {0xffffffff}), SECCOMP_RET_ERRNO | EPERM);
}

// Which a 32-bit program may make in either way: as a call of its own, whose arguments are asked for, or by
// socketcall(2), whose arguments are behind a pointer.
TEST(CompileSeccomp, LeavesTheMultiplexedCallsOfI386ToLibseccomp) {
  oci::Seccomp seccomp = profile(Action::error, {rule({"socket"}, Action::allow, {{0, 2, 0, Operator::eq}})});
  seccomp.architectures = {oci::SeccompArch::x86};
  Filter filter(seccomp);
  constexpr uint32_t kSocketcall = 102, kSocketOfI386 = 359, kSysSocket = 1, kSysBind = 2;
  EXPECT_EQ(filter.answer(kSocketcall, {kSysSocket}, AUDIT_ARCH_I386), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(kSocketcall, {kSysBind}, AUDIT_ARCH_I386), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(filter.answer(kSocketOfI386, {2}, AUDIT_ARCH_I386), SECCOMP_RET_ALLOW);
}
#endif

}  // namespace
}  // namespace minirun
