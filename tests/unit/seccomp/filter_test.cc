// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/filter.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "runtime/seccomp/answer.h"
#include "runtime/seccomp/code.h"
#include "runtime/seccomp/join.h"
#include "tests/unit/seccomp/seccomp_filter.h"

namespace minirun {
namespace {

std::string error_of(const oci::Seccomp& seccomp) {
  auto program = compile_seccomp(seccomp);
  return program.ok() ? "no error" : program.error().text();
}

struct ActionCase {
  Action action;
  std::optional<uint32_t> errno_ret;
  uint32_t answer;
};

const ActionCase kActions[] = {
    {Action::kill_process, {}, SECCOMP_RET_KILL_PROCESS},
    {Action::kill_thread, {}, SECCOMP_RET_KILL_THREAD},
    {Action::trap, {}, SECCOMP_RET_TRAP},
    {Action::error, {}, SECCOMP_RET_ERRNO | EPERM},
    {Action::error, ENOENT, SECCOMP_RET_ERRNO | ENOENT},
    {Action::error, 0, SECCOMP_RET_ERRNO},
    {Action::trace, {}, SECCOMP_RET_TRACE | EPERM},
    {Action::trace, 77, SECCOMP_RET_TRACE | 77},
    {Action::log, {}, SECCOMP_RET_LOG},
};

TEST(CompileSeccomp, GivesEachActionToItsSystemCallAndTheDefaultToOthers) {
  for (const ActionCase& c : kActions) {
    Filter filter(profile(Action::allow, {rule({"getppid"}, c.action, {}, c.errno_ret)}));
    EXPECT_EQ(filter.answer(SYS_getppid), c.answer);
    EXPECT_EQ(filter.answer(SYS_getpid), SECCOMP_RET_ALLOW);
  }
}

TEST(CompileSeccomp, TakesEachActionAsTheDefault) {
  for (const ActionCase& c : kActions) {
    oci::Seccomp seccomp = profile(c.action, {rule({"getppid"}, Action::allow)});
    seccomp.default_errno_ret = c.errno_ret;
    Filter filter(seccomp);
    EXPECT_EQ(filter.answer(SYS_getppid), SECCOMP_RET_ALLOW);
    EXPECT_EQ(filter.answer(SYS_read), c.answer);  // 0 on x86-64, 63 on aarch64: known to any profile
  }
}

TEST(CompileSeccomp, TakesTheSameRuleTwice) {
  oci::SeccompRule twice = rule({"socket", "socket"}, Action::allow, {{0, 2, 0, Operator::eq}});
  twice.args.push_back({0, 2, 5, Operator::eq});  // valueTwo means nothing here
  Filter filter(profile(Action::error, {twice, twice}));
  EXPECT_EQ(filter.answer(SYS_socket, {2}), SECCOMP_RET_ALLOW);
}

TEST(CompileSeccomp, MakesNoRuleOfTheDefaultAction) {
  Filter filter(profile(Action::error, {rule({"getppid"}, Action::error, {}, EPERM), rule({"getpid"}, Action::allow)}));
  EXPECT_EQ(filter.answer(SYS_getppid), SECCOMP_RET_ERRNO | EPERM);
}

TEST(CompileSeccomp, SkipsNamesThatNobodyKnowsAndTellsOfThem) {
  Filter filter(
      profile(Action::error, {rule({"no_such_call", "getpid", "a_call_of_2040", "no_such_call"}, Action::allow)}));
  EXPECT_EQ(filter.answer(SYS_getpid), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.program().skipped_syscalls, (oci::Strings{"a_call_of_2040", "no_such_call"}));
}

TEST(CompileSeccomp, PointsAtAnErrnoThatItsActionDoesNotTake) {
  EXPECT_EQ(error_of(profile(Action::error, {rule({"kill"}, Action::log), rule({"kill"}, Action::allow, {}, 1)})),
            "/linux/seccomp/syscalls/1: the action takes no errno value: 1");
  oci::Seccomp seccomp = profile(Action::allow, {});
  seccomp.default_errno_ret = 38;
  EXPECT_EQ(error_of(seccomp), "/linux/seccomp/defaultAction: the action takes no errno value: 38");
}

TEST(CompileSeccomp, RefusesWhatItCannotExpress) {
  EXPECT_EQ(error_of(profile(Action::error, {rule({"kill"}, Action::error, {}, 0x10000)})),
            "/linux/seccomp/syscalls/0: the errno value must be at most 65535: 65536");
  EXPECT_EQ(error_of(profile(Action::error, {rule({"kill"}, Action::allow, {{6, 0, 0, Operator::eq}})})),
            "/linux/seccomp/syscalls/0: args: index must be 0 to 5: 6");
}

TEST(CompileSeccomp, NotifyMakesAListener) {
  Filter rule_only(profile(Action::allow, {rule({"mkdir", "mkdirat"}, Action::notify)}));
  EXPECT_EQ(rule_only.answer(SYS_mkdirat), SECCOMP_RET_USER_NOTIF);
  EXPECT_EQ(rule_only.answer(SYS_getpid), SECCOMP_RET_ALLOW);
  EXPECT_EQ(rule_only.program().flags, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW);
  oci::Seccomp seccomp = profile(Action::notify, {rule({"getpid"}, Action::allow)});
  seccomp.flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  Filter by_default(seccomp);
  EXPECT_EQ(by_default.answer(SYS_mkdirat), SECCOMP_RET_USER_NOTIF);
  EXPECT_EQ(by_default.answer(SYS_getpid), SECCOMP_RET_ALLOW);
  EXPECT_TRUE(by_default.program().has_listener());
  EXPECT_EQ(by_default.program().flags,
            *seccomp.flags | SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC_ESRCH);
}

TEST(CompileSeccomp, LeavesOutArchitecturesThatThisMachineCannotRun) {
  oci::Seccomp seccomp = profile(Action::allow, {rule({"kill"}, Action::log)});
  const size_t size = Filter(seccomp).program().filter.size();
  seccomp.architectures = {oci::SeccompArch::s390x, oci::SeccompArch::loongarch64, oci::SeccompArch::mips};
  EXPECT_EQ(Filter(seccomp).program().filter.size(), size);
}

TEST(CompileSeccomp, TakesAbsentFlagsForSpecAllowAndAnEmptyListForNone) {
  oci::Seccomp seccomp = profile(Action::allow, {rule({"kill"}, Action::log)});
  EXPECT_EQ(Filter(seccomp).program().flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
  seccomp.flags = 0;
  EXPECT_EQ(Filter(seccomp).program().flags, 0U);
  seccomp.flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG;
  EXPECT_EQ(Filter(seccomp).program().flags, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG);
}

TEST(CompileSeccomp, LeavesOutTheFlagThatNeedsAListener) {
  oci::Seccomp seccomp = profile(Action::allow, {rule({"kill"}, Action::log)});
  seccomp.flags = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | SECCOMP_FILTER_FLAG_LOG;
  EXPECT_EQ(Filter(seccomp).program().flags, SECCOMP_FILTER_FLAG_LOG);
}

TEST(CompileSeccomp, AnswersEnosysToCallsNewerThanTheProfile) {
  oci::Seccomp seccomp = profile(Action::error, {rule({"openat2", "getpid", "no_such_call"}, Action::allow)});
  Filter filter(seccomp);
  EXPECT_EQ(filter.answer(SYS_openat2), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(SYS_pidfd_open), SECCOMP_RET_ERRNO | EPERM);  // older than openat2, and not named
  EXPECT_EQ(filter.answer(SYS_openat2 + 1), SECCOMP_RET_ERRNO | ENOSYS);
  EXPECT_EQ(filter.answer(9999), SECCOMP_RET_ERRNO | ENOSYS);
  EXPECT_EQ(filter.answer(0xffffffff), SECCOMP_RET_ERRNO | EPERM);  // -1: skipped by a tracer, not a system call
}

TEST(CompileSeccomp, CountsANameWithTheDefaultActionAsKnown) {
  Filter filter(profile(Action::error, {rule({"getpid"}, Action::allow), rule({"faccessat2"}, Action::error)}));
  EXPECT_EQ(filter.answer(SYS_faccessat2), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(filter.answer(SYS_faccessat2 + 1), SECCOMP_RET_ERRNO | ENOSYS);
}

TEST(CompileSeccomp, GivesTheDefaultToNewCallsWhereItIsNoErrno) {
  for (Action action : {Action::allow, Action::log, Action::kill_process, Action::trap}) {
    Filter with(profile(action, {rule({"getpid"}, Action::trace)}));
    EXPECT_EQ(with.answer(9999), with.answer(SYS_getppid));
  }
}

#if defined(__x86_64__)
TEST(CompileSeccomp, FindsTheNewestCallOfEachArchitecture) {
  oci::Seccomp seccomp = profile(Action::error, {rule({"statx", "getpid"}, Action::allow)});
  seccomp.architectures = {oci::SeccompArch::x86, oci::SeccompArch::x32};
  Filter filter(seccomp);
  EXPECT_EQ(filter.answer(332), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(333), SECCOMP_RET_ERRNO | ENOSYS);
  EXPECT_EQ(filter.answer(383, {}, AUDIT_ARCH_I386), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(333, {}, AUDIT_ARCH_I386), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(filter.answer(384, {}, AUDIT_ARCH_I386), SECCOMP_RET_ERRNO | ENOSYS);
  EXPECT_EQ(filter.answer(kX32Bit | 332), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(kX32Bit | 1), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(filter.answer(kX32Bit | 333), SECCOMP_RET_ERRNO | ENOSYS);
  EXPECT_EQ(filter.answer(kX32Bit | 520), SECCOMP_RET_ERRNO | EPERM);  // x32's execve: not newer
  EXPECT_EQ(filter.answer(0xffffffff), SECCOMP_RET_ERRNO | EPERM);
}

TEST(CompileSeccomp, KillsForeignArchitecturesAlsoWithTheAnswerEnosysInFront) {
  Filter filter(profile(Action::error, {rule({"getpid"}, Action::allow)}));
  EXPECT_EQ(filter.answer(9999, {}, AUDIT_ARCH_I386), SECCOMP_RET_KILL_THREAD);
  EXPECT_EQ(filter.answer(kX32Bit | 39), SECCOMP_RET_KILL_THREAD);
}

// What the profile means, read off its rules one by one.
uint32_t expected(const oci::Seccomp& seccomp, const std::string& name, uint64_t argument) {
  for (const oci::SeccompRule& r : seccomp.syscalls) {
    if (std::find(r.names.begin(), r.names.end(), name) == r.names.end()) continue;
    bool met = true;
    for (const oci::SeccompArg& arg : r.args) {
      if (arg.op == Operator::eq) met = met && argument == arg.value;
      if (arg.op == Operator::ne) met = met && argument != arg.value;
      if (arg.op == Operator::masked_eq) met = met && (argument & arg.value) == arg.value_two;
    }
    if (met) return r.action == Action::allow ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | r.errno_ret.value_or(EPERM);
  }
  return SECCOMP_RET_ERRNO | EPERM;
}

TEST(CompileSeccomp, AnswersAsTheRulesOfALargeProfileSay) {
  const oci::Seccomp seccomp = engine_like_profile();
  ASSERT_GT(seccomp.syscalls[0].names.size(), 400U);
  Filter filter(seccomp);
  const std::pair<uint32_t, uint32_t> tables[] = {
      {SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64}, {SCMP_ARCH_X86, AUDIT_ARCH_I386}, {SCMP_ARCH_X32, AUDIT_ARCH_X86_64}};
  for (const auto& [token, arch] : tables) {
    for (uint32_t number = 0; number <= 448; ++number) {
      const uint32_t real = number | (token == SCMP_ARCH_X32 ? kX32Bit : 0);
      char* found = seccomp_syscall_resolve_num_arch(token, static_cast<int>(real));
      if (found == nullptr) continue;
      const std::string name = found;
      std::free(found);
      for (uint64_t argument : {0ULL, 8ULL, 40ULL, 0x20000ULL, 0xffffffffULL, 0x10000000ULL, 0x7e020000ULL})
        EXPECT_EQ(filter.answer(real, {argument}, arch), expected(seccomp, name, argument))
            << name << " " << number << " arch " << token << " argument " << argument;
    }
    EXPECT_EQ(filter.answer(460 | (token == SCMP_ARCH_X32 ? kX32Bit : 0), {}, arch), SECCOMP_RET_ERRNO | ENOSYS);
  }
}
#endif

TEST(CompileSeccomp, GivesTheDefaultToAllOfAProfileThatNamesNothing) {
  Filter filter(profile(Action::error, {}));
  EXPECT_EQ(filter.answer(9999), SECCOMP_RET_ERRNO | EPERM);
}

TEST(CompileSeccomp, RefusesAFilterLongerThanTheKernelTakes) {
  oci::Seccomp seccomp = profile(Action::error, {});
  for (uint64_t value = 0; value < 3000; ++value)
    seccomp.syscalls.push_back(rule({"kill"}, Action::allow, {{0, value << 33 | value, 0, Operator::eq}}));
  const std::string error = error_of(seccomp);
  EXPECT_EQ(error.find("/linux/seccomp: the filter has "), 0U) << error;
}

std::vector<sock_filter> answers(uint32_t value) {
  return {{BPF_RET | BPF_K, 0, 0, value}};
}

TEST(JoinFilters, SendsEachCallToTheFilterOfItsTable) {
  const BpfCode joined = join_filters({{1, 0, 999, 20, answers(1)},
                                       {2, 0, 999, {}, answers(2)},
                                       {1, 1000, 1999, 1030, answers(3)},
                                       {3, 0, 999, 5, answers(4)}});
  struct Case {
    uint32_t arch, number, answer;
  };
  const uint32_t enosys = SECCOMP_RET_ERRNO | ENOSYS;
  const Case cases[] = {{1, 0, 1},    {1, 20, 1},        {1, 21, enosys},    {1, 999, enosys}, {1, 1000, 3},
                        {1, 1030, 3}, {1, 1031, enosys}, {1, 1999, enosys},  {1, 2000, 3},     {1, 0xffffffff, 3},
                        {2, 0, 2},    {2, 21, 2},        {2, 0xffffffff, 2}, {3, 5, 4},        {3, 6, enosys},
                        {3, 1000, 4}, {4, 0, 1}};
  for (const Case& c : cases) {
    seccomp_data data = {};
    data.arch = c.arch;
    data.nr = static_cast<int>(c.number);
    EXPECT_EQ(seccomp_answer(joined, data), c.answer) << "arch " << c.arch << " number " << c.number;
  }
}

// Run in a child with the filter loaded: 0 when getppid answered `error` and getuid its value.
int call_under_filter(const SeccompProgram& program, int error) {
  const pid_t pid = fork();
  if (pid == 0) {
    sock_fprog loaded = {static_cast<unsigned short>(program.filter.size()),
                         const_cast<sock_filter*>(program.filter.data())};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) _exit(10);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, program.flags, &loaded) != 0) _exit(11);
    int failed = syscall(SYS_getppid) != -1 || errno != error ? 12 : 0;
    if (syscall(9999) != -1 || errno != ENOSYS) failed = 13;
    syscall(SYS_exit_group, failed);  // a sanitizer's _exit makes more system calls than the filter allows
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(CompileSeccomp, MakesFiltersThatTheKernelTakes) {
  Filter small(profile(Action::error,
                       {rule({"exit", "exit_group"}, Action::allow), rule({"getppid"}, Action::error, {}, EXDEV)}));
  EXPECT_EQ(call_under_filter(small.program(), EXDEV), 0);
  oci::Seccomp large = engine_like_profile();
#if !defined(__x86_64__)
  large.architectures.clear();
#endif
  large.flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG;
  for (std::string& name : large.syscalls[0].names)
    if (name == "getppid") name = "getpid";
  EXPECT_EQ(call_under_filter(Filter(large).program(), EPERM), 0);
}

}  // namespace
}  // namespace minirun
