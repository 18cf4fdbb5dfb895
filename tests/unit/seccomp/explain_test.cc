// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/explain.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>

#include "tests/unit/seccomp/seccomp_filter.h"

namespace minirun {
namespace {

oci::SeccompRule fails(const oci::Strings& names, uint32_t code, std::vector<oci::SeccompArg> args = {}) {
  return rule(names, Action::error, std::move(args), code);
}

uint32_t refused_with(uint32_t code) {
  return SECCOMP_RET_ERRNO | code;
}

class Judge {
 public:
  explicit Judge(const oci::Seccomp& seccomp) : rules_(seccomp, Filter(seccomp).program().filter) {}
  Refused of(long number, const Args& args = {}, uint32_t arch = kNative) const {
    seccomp_data data = {};
    data.nr = static_cast<int>(number);
    data.arch = arch;
    std::copy(args.begin(), args.end(), data.args);
    return rules_.judge(data);
  }

 private:
  RefusalRules rules_;
};

void expect_refused(const Refused& refused, uint32_t action, int32_t by) {
  EXPECT_EQ(refused.action, action);
  EXPECT_EQ(refused.by, by);
}

TEST(ExplainingFilter, NotifiesWhereTheProfileRefuses) {
  oci::Seccomp seccomp = profile(Action::allow, {fails({"mkdirat"}, 5), rule({"chroot"}, Action::kill_process),
                                                 rule({"acct"}, Action::kill_thread), rule({"sync"}, Action::trap),
                                                 rule({"reboot"}, Action::trace, {}, 7), rule({"umask"}, Action::log)});
  const SeccompProgram plain = Filter(seccomp).program();
  const SeccompProgram made = explaining(plain);
  auto answer = [&](long number) {
    seccomp_data data = {};
    data.nr = static_cast<int>(number);
    data.arch = kNative;
    return seccomp_answer(made.filter, data);
  };
  for (long number : {SYS_mkdirat, SYS_chroot, SYS_acct}) EXPECT_EQ(answer(number), SECCOMP_RET_USER_NOTIF) << number;
  EXPECT_EQ(answer(SYS_sync), SECCOMP_RET_TRAP);
  EXPECT_EQ(answer(SYS_reboot), SECCOMP_RET_TRACE | 7);
  EXPECT_EQ(answer(SYS_umask), SECCOMP_RET_LOG);
  EXPECT_EQ(answer(SYS_getppid), SECCOMP_RET_ALLOW);
  EXPECT_FALSE(plain.has_listener());
  EXPECT_TRUE(made.has_listener());
  EXPECT_EQ(made.flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH, 0U);
  seccomp.flags = SECCOMP_FILTER_FLAG_TSYNC;
  EXPECT_NE(explaining(Filter(seccomp).program()).flags & SECCOMP_FILTER_FLAG_TSYNC_ESRCH, 0U);
}

// The same answers as the filter's, which decides alone.
TEST(RefusalRules, NameTheRuleWhoseConditionsHold) {
  auto compared = [](uint32_t index, Operator op, uint64_t value, uint64_t second = 0) {
    return oci::SeccompArg{index, value, second, op};
  };
  const Judge judge(profile(
      Action::allow, {fails({"personality"}, 1, {compared(0, Operator::eq, 1)}),
                      fails({"personality"}, 1, {compared(0, Operator::gt, 100), compared(1, Operator::lt, 5)}),
                      fails({"personality"}, 2, {compared(0, Operator::ne, 0), compared(1, Operator::ge, 7)}),
                      fails({"personality"}, 1, {compared(2, Operator::masked_eq, 0xf0, 0x10)}),
                      fails({"personality"}, 1, {compared(3, Operator::le, 9), compared(3, Operator::eq, 20)})}));
  expect_refused(judge.of(SYS_personality, {1, 0, 0, 100}), refused_with(1), 0);
  expect_refused(judge.of(SYS_personality, {101, 4, 0, 100}), refused_with(1), 1);
  expect_refused(judge.of(SYS_personality, {uint64_t{1} << 40, 4, 0, 100}), refused_with(1), 1);
  expect_refused(judge.of(SYS_personality, {5, 7, 0, 100}), refused_with(2), 2);
  expect_refused(judge.of(SYS_personality, {0, 0, 0x1f, 100}), refused_with(1), 3);
  expect_refused(judge.of(SYS_personality, {0, 0, 0, 20}), refused_with(1), 4);  // alternatives
  expect_refused(judge.of(SYS_personality, {0, 0, 0, 100}), refused_with(ENOSYS), kNotOfTheProfile);
}

TEST(RefusalRules, NameTheDefaultActionAndNewerCalls) {
  oci::Seccomp seccomp = profile(Action::error, {rule({"openat", "close"}, Action::allow)});
  const Judge judge(seccomp);
  expect_refused(judge.of(SYS_read), refused_with(EPERM), kByDefault);
  expect_refused(judge.of(100000), refused_with(ENOSYS), kNewerThanProfile);
  seccomp.default_errno_ret = ENOSYS;
  expect_refused(Judge(seccomp).of(100000), refused_with(ENOSYS), kByDefault);
  seccomp.default_action = Action::kill_process;
  seccomp.default_errno_ret.reset();
  expect_refused(Judge(seccomp).of(SYS_read), SECCOMP_RET_KILL_PROCESS, kByDefault);
  expect_refused(Judge(seccomp).of(-1), SECCOMP_RET_KILL_PROCESS, kByDefault);
}

// A rule without conditions overrides those with some, wherever it stands.
TEST(RefusalRules, NameTheRuleThatOverrides) {
  const Judge judge(
      profile(Action::allow, {fails({"personality"}, 1, {{0, 1, 0, Operator::eq}}), fails({"personality"}, 2)}));
  expect_refused(judge.of(SYS_personality, {1}), refused_with(2), 1);
}

#if defined(__x86_64__)
TEST(RefusalRules, KnowTheOtherTables) {
  oci::Seccomp seccomp = profile(Action::allow, {fails({"mkdirat"}, 5), fails({"bind"}, 6), fails({"semget"}, 7)});
  constexpr int kMkdirat = 296, kSocketcall = 102, kBind = 2, kIpc = 117, kSemget = 2;  // of i386
  constexpr long kOfX32 = kX32Bit | SYS_mkdirat;
  expect_refused(Judge(seccomp).of(kMkdirat, {}, AUDIT_ARCH_I386), SECCOMP_RET_KILL_THREAD, kOfAnotherMachine);
  expect_refused(Judge(seccomp).of(kOfX32), SECCOMP_RET_KILL_THREAD, kOfAnotherMachine);
  expect_refused(Judge(seccomp).of(1, {}, AUDIT_ARCH_ARM), SECCOMP_RET_KILL_THREAD, kOfAnotherMachine);
  seccomp.architectures = {oci::SeccompArch::x86, oci::SeccompArch::x32};
  const Judge judge(seccomp);
  expect_refused(judge.of(kMkdirat, {}, AUDIT_ARCH_I386), refused_with(5), 0);
  expect_refused(judge.of(kOfX32), refused_with(5), 0);
  expect_refused(judge.of(kSocketcall, {kBind}, AUDIT_ARCH_I386), refused_with(6), 1);
  expect_refused(judge.of(kIpc, {kSemget}, AUDIT_ARCH_I386), refused_with(7), 2);
  EXPECT_EQ(name_of_call({AUDIT_ARCH_I386, kMkdirat}), "mkdirat");
  EXPECT_EQ(name_of_arch({AUDIT_ARCH_I386, kMkdirat}), "i386");
  EXPECT_EQ(name_of_call({kNative, static_cast<int>(kOfX32)}), "mkdirat");
  EXPECT_EQ(name_of_arch({kNative, static_cast<int>(kOfX32)}), "x32");
  EXPECT_EQ(name_of_arch({AUDIT_ARCH_ARM, 1}), "0x40000028");
}
#endif

TEST(CallNames, OfWhatNobodyKnows) {
  EXPECT_EQ(name_of_call({kNative, SYS_openat}), "openat");
  EXPECT_EQ(name_of_call({kNative, 99999}), "system call 99999");
  EXPECT_EQ(name_of_call({kNative, -101}), "system call -101");
}

}  // namespace
}  // namespace minirun
