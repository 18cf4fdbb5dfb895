// SPDX-License-Identifier: Apache-2.0
// run --explain-seccomp: minirun answers for the seccomp filter and says what it refused. seccomp_unotify(2).
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>

#include "tests/support/refused_call.h"
#include "tests/support/report_fixture.h"
#include "tests/support/rootless_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

// mkdirat fails with ENOTTY by rule 1, personality is killed for by rule 0 if its argument is -1.
json profile() {
  json kill = {{"names", {"personality"}},
               {"action", "SCMP_ACT_KILL_PROCESS"},
               {"args", {{{"index", 0}, {"value", 0xffffffffU}, {"op", "SCMP_CMP_EQ"}}}}};
  json refuse = {{"names", {"swapon", "mkdirat"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", ENOTTY}};
  return {{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", {kill, refuse}}};
}

class ExplainSeccomp : public ReportTest {
 protected:
  ExplainSeccomp() { bundle_.config["linux"]["seccomp"] = profile(); }

  json explained(int status, const Words& flags = {}) {
    Words all = {"--explain-seccomp"};
    all.insert(all.end(), flags.begin(), flags.end());
    json report = report_of(status, all);
    return report.value("seccomp", json());
  }
  static json row(const std::string& call, const std::string& program, int count) {
    return {{"call", call},
            {"arch", "x86_64"},
            {"program", program},
            {"count", count},
            {"action", "SCMP_ACT_ERRNO"},
            {"errno", "ENOTTY"},
            {"pointer", "/linux/seccomp/syscalls/1"}};
  }
  std::string line(const std::string& text) const { return "minirun: " + id() + ": seccomp " + text + "\n"; }
};

TEST_F(ExplainSeccomp, NamesCallProgramErrnoAndRule) {
  bundle_.payload({"refused", "as", "clerk"});
  for (bool no_new_privileges : {true, false}) {
    bundle_.config["process"]["noNewPrivileges"] = no_new_privileges;
    for (const Words& flags : {Words{}, {"--no-init"}}) {
      json seccomp = explained(0, flags);
      EXPECT_EQ(seccomp, json({{"refused", {row("mkdirat", "clerk", 1)}}, {"others", 0}}));
      EXPECT_EQ(outcome_.out, "errno " + std::to_string(ENOTTY) + "\n");
      EXPECT_EQ(outcome_.err, line("refused mkdirat to \"clerk\" once with ENOTTY  <- /linux/seccomp/syscalls/1"));
    }
  }
  bundle_.payload({"true"});
  EXPECT_EQ(explained(0)["refused"], json::array());
  EXPECT_EQ(outcome_.err, line("refused no call"));
}

TEST_F(ExplainSeccomp, NamesTheDefaultActionAndItsErrno) {
  Outcome spec = call({"spec", "--bundle", bundle_.path(), "--seccomp", "default"});
  ASSERT_EQ(spec.code, 0) << describe(spec);
  json written = json::parse(content(bundle_.path() + "/config.json"));
  bundle_.config["linux"]["seccomp"] = written["linux"]["seccomp"];
  bundle_.payload({"syscall", std::to_string(SYS_swapoff)});
  json refused = explained(0)["refused"];
  EXPECT_EQ(outcome_.out, "-1 " + std::to_string(EPERM) + "\n");
  ASSERT_EQ(refused.size(), 1U) << refused;
  EXPECT_EQ(refused[0]["pointer"], "/linux/seccomp/defaultAction");
  EXPECT_EQ(refused[0]["errno"], "EPERM");
  EXPECT_FALSE(refused[0].contains("newer"));
  bundle_.payload({"syscall", "100000"});
  refused = explained(0)["refused"];
  EXPECT_EQ(outcome_.out, "-1 " + std::to_string(ENOSYS) + "\n");
  ASSERT_EQ(refused.size(), 1U) << refused;
  EXPECT_EQ(refused[0]["call"], "system call 100000");
  EXPECT_EQ(refused[0]["newer"], true);
}

TEST_F(ExplainSeccomp, ErrnoZeroAndTheLargestAreTheRules) {
  bundle_.payload({"refused", "as", "clerk"});
  for (int code : {0, 1, 4094}) {
    bundle_.config["linux"]["seccomp"]["syscalls"][1]["errnoRet"] = code;
    json refused = explained(0)["refused"];
    EXPECT_EQ(outcome_.out, "errno " + std::to_string(code) + "\n");
    ASSERT_EQ(refused.size(), 1U);
    EXPECT_EQ(refused[0]["errno"], code == 1 ? "EPERM" : std::to_string(code));
  }
  bundle_.config["linux"]["seccomp"]["syscalls"][1].erase("errnoRet");
  EXPECT_EQ(explained(0)["refused"][0]["errno"], "EPERM");
}

TEST_F(ExplainSeccomp, KillsInPlaceOfTheFilter) {
  bundle_.payload({"syscall", std::to_string(SYS_personality), "0xffffffff"});
  for (const char* action : {"SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL"}) {
    bundle_.config["linux"]["seccomp"]["syscalls"][0]["action"] = action;
    for (const Words& flags : {Words{}, {"--no-init"}}) {
      Words all = {"--report", kFile, "--explain-seccomp"};
      all.insert(all.end(), flags.begin(), flags.end());
      Outcome outcome = run(bundle_, all);
      EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
      json report = taken();
      EXPECT_EQ(report["cause"], "seccomp");
      EXPECT_EQ(report["signal"]["name"], "SIGKILL");
      const json& refused = report["seccomp"]["refused"];
      ASSERT_EQ(refused.size(), 1U) << report;
      EXPECT_EQ(refused[0]["action"],
                action == std::string("SCMP_ACT_KILL") ? "SCMP_ACT_KILL_THREAD" : std::string(action));
      EXPECT_FALSE(refused[0].contains("errno"));
      EXPECT_EQ(outcome.err, line("killed \"payload\" for personality once  <- /linux/seccomp/syscalls/0") +
                                 "minirun: " + id() + ": its seccomp filter killed it (bad system call)\n");
    }
  }
  // The condition of the rule does not hold.
  bundle_.payload({"syscall", std::to_string(SYS_personality), "0"});
  EXPECT_EQ(explained(0)["refused"], json::array());
}

TEST_F(ExplainSeccomp, KillOfAChildIsNotTheCause) {
  bundle_.payload({"refused", "child"});
  for (const Words& flags : {Words{}, {"--no-init"}}) {
    Words all = {"--explain-seccomp"};
    all.insert(all.end(), flags.begin(), flags.end());
    json report = report_of(0, all);
    EXPECT_EQ(report["cause"], "exited");
    EXPECT_EQ(report["seccomp"]["refused"][0]["program"], "child");
    EXPECT_EQ(outcome_.out, "child " + std::to_string(SIGKILL) + "\n");
  }
}

TEST_F(ExplainSeccomp, KillForAThreadEndsItsProcess) {
  bundle_.payload({"refused", "thread"});
  Outcome outcome = run(bundle_, {"--report", kFile, "--explain-seccomp"});
  EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
  EXPECT_EQ(outcome.out, "");
  json report = taken();
  EXPECT_EQ(report["cause"], "seccomp");
  EXPECT_EQ(report["seccomp"]["refused"][0]["program"], "thread");
}

TEST_F(ExplainSeccomp, OtherArchitecturesHaveTheirRules) {
  constexpr const char* kMkdirat = "296";  // of i386
  bundle_.payload({"refused", "i386", kMkdirat});
  Outcome plain = run(bundle_);
  if (plain.code == 128 + SIGSEGV) GTEST_SKIP() << "this kernel runs no 32-bit code";
  EXPECT_EQ(plain.code, 128 + SIGSYS);
  Outcome outcome = run(bundle_, {"--report", kFile, "--explain-seccomp"});
  EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
  json refused = taken()["seccomp"]["refused"];
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0]["arch"], "i386");
  EXPECT_EQ(refused[0]["pointer"], "/linux/seccomp/architectures");
  bundle_.config["linux"]["seccomp"]["architectures"] = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"};
  refused = explained(0)["refused"];
  EXPECT_EQ(outcome_.out, "i386 " + std::to_string(-ENOTTY) + "\n");
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0]["call"], "mkdirat");
  EXPECT_EQ(refused[0]["pointer"], "/linux/seccomp/syscalls/1");
  EXPECT_NE(outcome_.err.find("refused mkdirat of i386 to \"payload\" once"), std::string::npos) << outcome_.err;
}

TEST_F(ExplainSeccomp, NamesOfProgramsAreShownEscaped) {
  bundle_.payload({"refused", "as", "\x1b]0;evil\x07\n\"<-"});
  EXPECT_EQ(explained(0)["refused"], json::array({row("mkdirat", "\\x1b]0;evil\\x07\\x0a\"<-", 1)}));
  EXPECT_EQ(outcome_.err, line("refused mkdirat to \"\\x1b]0;evil\\x07\\x0a\"<-\" once with ENOTTY  <- "
                               "/linux/seccomp/syscalls/1"));
  bundle_.payload({"refused", "as", ""});
  EXPECT_FALSE(explained(0)["refused"][0].contains("program"));
}

TEST_F(ExplainSeccomp, ProgramsOfOneCallAreLimited) {
  bundle_.payload({"refused", "programs", "300"});
  json seccomp = explained(0);
  const json& refused = seccomp["refused"];
  ASSERT_EQ(refused.size(), 9U) << refused;
  EXPECT_EQ(refused[0]["count"], 292);
  EXPECT_EQ(refused[0]["several"], true);
  EXPECT_EQ(refused[1]["program"], "p0");
  EXPECT_EQ(refused[8]["program"], "p7");
  EXPECT_EQ(seccomp["others"], 0);
  EXPECT_NE(outcome_.err.find("refused mkdirat to other programs 292 times"), std::string::npos) << outcome_.err;
}

// Of what a step of the launch is refused, with the words that it has without the option.
TEST_F(ExplainSeccomp, LaunchThatIsRefusedSaysSo) {
  bundle_.config["linux"]["seccomp"]["syscalls"][1]["names"] = {"execve", "close", "write", "sendmsg"};
  for (const Words& flags : {Words{}, {"--no-init"}}) {
    Outcome plain = run(bundle_, flags);
    Words all = {"--report", kFile, "--explain-seccomp"};
    all.insert(all.end(), flags.begin(), flags.end());
    Outcome outcome = run(bundle_, all);
    EXPECT_EQ(outcome.code, plain.code);
    EXPECT_NE(outcome.err.find("refused execve to"), std::string::npos) << outcome.err;
    EXPECT_TRUE(outcome.err.ends_with("\n" + plain.err)) << outcome.err << plain.err;
    EXPECT_EQ(taken()["seccomp"]["refused"][0]["call"], "execve");
  }
  bundle_.config["linux"]["seccomp"]["syscalls"][1]["action"] = "SCMP_ACT_KILL_PROCESS";
  bundle_.config["linux"]["seccomp"]["syscalls"][1].erase("errnoRet");
  for (const Words& flags : {Words{}, {"--no-init"}}) {
    Words all = {"--explain-seccomp"};
    all.insert(all.end(), flags.begin(), flags.end());
    Outcome outcome = run(bundle_, all);
    EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
    EXPECT_NE(outcome.err.find(" for execve once"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("its seccomp filter killed it"), std::string::npos) << outcome.err;
  }
}

TEST_F(ExplainSeccomp, CountsStartContainerHooksToo) {
  bundle_.payload({"refused", "as", "clerk"});
  json hook = {{"path", "/bin/payload"}, {"args", {"payload", "refused", "as", "hook"}}};
  bundle_.config["hooks"]["startContainer"] = {hook, hook};
  for (const Words& flags : {Words{}, {"--no-init"}}) {
    json refused = explained(0, flags)["refused"];
    EXPECT_EQ(refused, json::array({row("mkdirat", "hook", 2), row("mkdirat", "clerk", 1)}));
  }
}

// A poststart hook waits for the workload, which waits for the answer to a call.
TEST_F(ExplainSeccomp, AnswersWhileMinirunRunsAHook) {
  bundle_.add_folder("/shared");
  bundle_.config["root"]["readonly"] = false;
  bundle_.config["process"]["args"] = {"/bin/busybox", "sh", "-c", "mkdir /x; echo $? > /shared/done"};
  if (!bundle_.add_busybox({"sh", "mkdir"})) GTEST_SKIP() << "no busybox";
  bundle_.config["linux"]["seccomp"]["syscalls"][1]["names"] = {"mkdir", "mkdirat"};
  const std::string wait =
      "for i in $(seq 600); do [ -s " + bundle_.rootfs() + "/shared/done ] && exit 0; sleep 0.1; done; exit 1";
  bundle_.config["hooks"]["poststart"] = {{{"path", "/bin/busybox"}, {"args", {"sh", "-c", wait}}}};
  json refused = explained(0)["refused"];
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0]["count"], 1);
}

TEST_F(ExplainSeccomp, SignalsDoNotCountACallAgain) {
  constexpr int kCalls = 2000;
  bundle_.payload({"refused", "signals", std::to_string(kCalls)});
  json refused = explained(0)["refused"];
  EXPECT_EQ(outcome_.out, "signals came\n");
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0]["count"], kCalls);
}

// Before Linux 5.19: a signal interrupts the wait for the answer, and the kernel makes the call anew.
TEST_F(ExplainSeccomp, WorksWhereAWaitCannotBeKillable) {
  constexpr int kCalls = 500;
  bundle_.payload({"refused", "signals", std::to_string(kCalls)});
  StartOptions options;
  options.in_child = [] {
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args) + sizeof(uint64_t)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{sizeof filter / sizeof filter[0], filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
      _exit(97);
  };
  Outcome outcome = run(bundle_, {"--report", kFile, "--explain-seccomp"}, options);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out, "signals came\n");
  json report = taken();
  EXPECT_GE(report["seccomp"]["refused"][0]["count"], kCalls) << report;
}

TEST_F(ExplainSeccomp, IsRefusedWhereItCannotWork) {
  bundle_.payload({"true"});
  expect_refused(detach(bundle_, {"--explain-seccomp"}), {"--explain-seccomp", "--detach"});
  expect_refused(detach(bundle_, {"--explain-seccomp", "--timeout", "1h"}), {"--explain-seccomp", "--detach"});
  bundle_.write();
  expect_refused(call({"create", "--explain-seccomp", "--bundle", bundle_.path(), id()}), {"--explain-seccomp"});
  StartOptions options;
  options.in_child = [] { refuse_call(SYS_seccomp, EINVAL); };
  expect_refused(run(bundle_, {"--explain-seccomp"}, options), {"--explain-seccomp", "Linux 5.0"});
  options.in_child = [] {  // numbers of processes mean others in its /proc
    const pid_t child = unshare(CLONE_NEWPID) == 0 ? fork() : -1;
    if (child == 0) return;
    int status = 0;
    _exit(child > 0 && waitpid(child, &status, 0) == child ? WEXITSTATUS(status) : 97);
  };
  expect_refused(run(bundle_, {"--explain-seccomp"}, options), {"--explain-seccomp", "/proc"});
  bundle_.config["linux"]["seccomp"]["listenerPath"] = "/run/tests/agent";
  expect_refused(run(bundle_, {"--explain-seccomp"}), {"--explain-seccomp", "/linux/seccomp/listenerPath"});
  bundle_.config["linux"].erase("seccomp");
  expect_refused(run(bundle_, {"--explain-seccomp"}), {"--explain-seccomp", "no /linux/seccomp"});
}

TEST_F(ExplainSeccomp, TrapAndTraceStayAndAWarningSaysSo) {
  bundle_.payload({"refused", "as", "clerk"});
  bundle_.config["linux"]["seccomp"]["syscalls"][1].erase("errnoRet");
  bundle_.config["linux"]["seccomp"]["syscalls"][1]["action"] = "SCMP_ACT_TRACE";
  EXPECT_EQ(explained(0)["refused"], json::array());
  EXPECT_EQ(outcome_.out, "errno " + std::to_string(ENOSYS) + "\n");
  EXPECT_NE(outcome_.err.find("warning: --explain-seccomp does not count"), std::string::npos) << outcome_.err;
  bundle_.config["linux"]["seccomp"]["syscalls"][1]["action"] = "SCMP_ACT_TRAP";
  EXPECT_EQ(explained(128 + SIGSYS)["refused"], json::array());
}

TEST_F(ExplainSeccomp, ActionsAreListedByFeatures) {
  json features = json::parse(call({"features"}).out);
  EXPECT_EQ(features["annotations"].value("org.minirun.explainSeccomp", ""),
            "SCMP_ACT_ERRNO SCMP_ACT_KILL_PROCESS SCMP_ACT_KILL_THREAD");
}

TEST_F(ExplainSeccomp, LeavesNoSecondListener) {
  bundle_.payload({"refused", "own-listener"});
  EXPECT_EQ(run(bundle_).out, "listener 0\n");
  EXPECT_EQ(explained(0)["refused"], json::array());
  EXPECT_EQ(outcome_.out, "listener " + std::to_string(EBUSY) + "\n");
}

}  // namespace
}  // namespace minirun::testing
