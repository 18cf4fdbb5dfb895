// SPDX-License-Identifier: Apache-2.0
// One hook as a process of this machine: what it gets, and how it ends.
#include "runtime/hooks/run.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>

#include "sys/file.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

class RunHook : public ::testing::Test {
 protected:
  RunHook() { pthread_sigmask(SIG_SETMASK, nullptr, &mask_); }
  ~RunHook() override { pthread_sigmask(SIG_SETMASK, &mask_, nullptr); }

  // A shell that runs the script in the test's directory.
  Result<void> run(const std::string& script, std::optional<unsigned> timeout = {}) {
    hook_.path = "/bin/sh";
    hook_.args = {"sh", "-c", script};
    return run_as_it_is(timeout);
  }
  Result<void> run_as_it_is(std::optional<unsigned> timeout = {}) {
    PlanFacts facts{{"test", folder_.path(), "/"}, {}};
    HookCall call{hook_, "/hooks/poststop/0", HookSide::runtime, folder_.path()};
    Compiled compiled = compile_hook(small_spec(), facts, ExecFacts(), call);
    HookRun run;
    run.plan = &compiled.plan;
    run.path = hook_.path;
    run.state = state_;
    if (timeout) run.timeout = std::chrono::seconds(*timeout);
    run.stdout_file = stdout_file_;
    run.stderr_file = stderr_file_;
    run.state_fd = folder_.fd();
    Signals signals = TRY(Signals::block());
    if (pending_ != 0) kill(getpid(), pending_);
    return run_hook(run, signals);
  }
  static std::string text(const Result<void>& result) { return result.ok() ? "" : result.error().text(); }
  std::string file(const std::string& name) const {
    auto text = read_file(folder_.fd(), name, 1 << 24);
    return text.ok() ? *text : "(none)";
  }
  // A number that a script wrote to a file, waited for.
  pid_t pid_in(const std::string& name) const { return atoi(file(name).c_str()); }
  static bool lives(pid_t pid) { return pid > 1 && kill(pid, 0) == 0; }

  oci::Hook hook_;
  std::string state_ = R"({"id":"x"})";
  std::string stdout_file_, stderr_file_;
  int pending_ = 0;
  TemporaryDirectory folder_;

 private:
  sigset_t mask_{};
};

TEST_F(RunHook, GetsItsArgumentsItsEnvironmentAndTheState) {
  hook_.env = oci::Strings{"A=1", "B=two words"};
  hook_.path = "/bin/sh";
  hook_.args = {"other-name", "-c",
                "cat > state; tr '\\0' '\\n' < /proc/$$/environ > env; echo $0 $1 > args; pwd > cwd", "zero", "one"};
  EXPECT_EQ(text(run_as_it_is()), "");
  EXPECT_EQ(file("state"), state_);
  EXPECT_EQ(file("env"), "A=1\nB=two words\n");
  EXPECT_EQ(file("args"), "zero one\n");
  EXPECT_EQ(file("cwd"), folder_.path() + "\n");
}

TEST_F(RunHook, WithoutAnEnvironmentItHasNone) {
  EXPECT_EQ(text(run("/usr/bin/env -i true; /bin/cat /proc/$$/environ > env")), "");
  EXPECT_EQ(file("env"), "");
}

TEST_F(RunHook, WithoutArgumentsItsNameIsItsPath) {
  folder_.write("hook", "#!/bin/sh\ntr '\\0' '\\n' < /proc/$$/cmdline > args\n", 0755);
  hook_.path = folder_.path("hook");
  EXPECT_EQ(text(run_as_it_is()), "");
  EXPECT_EQ(file("args"), "/bin/sh\n" + hook_.path + "\n");  // as the kernel passes it to scripts
}

TEST_F(RunHook, StartsWithNothingButStdioAndNoSignalBlockedOrIgnored) {
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  ASSERT_EQ(sigaction(SIGPIPE, &ignore, &before), 0);
  UniqueFd null(open("/dev/null", O_RDONLY));
  UniqueFd other(fcntl(null.get(), F_DUPFD, 200));  // no number that the shell takes for its pipes
  EXPECT_EQ(
      text(run("/bin/ls /proc/$$/fd | /usr/bin/tr '\\n' ' ' > fds; /bin/grep Sig[BI] /proc/self/status > signals; "
               "umask > mask")),
      "");
  ASSERT_EQ(sigaction(SIGPIPE, &before, nullptr), 0);
  EXPECT_EQ(file("fds").substr(0, 6), "0 1 2 ");
  EXPECT_EQ(file("fds").find(std::to_string(other.get())), std::string::npos) << file("fds");
  EXPECT_EQ(file("signals"), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  EXPECT_EQ(file("mask"), "0022\n");
}

TEST_F(RunHook, FailureHasItsStatusAndTheEndOfWhatItSaid) {
  EXPECT_EQ(text(run("echo to stdout; echo to stderr >&2; exit 3")), "/bin/sh: exit status 3: to stdout\nto stderr");
  auto failed = run("exit 1");
  EXPECT_EQ(text(failed), "/bin/sh: exit status 1");
  EXPECT_EQ(failed.error().kind, ErrorKind::setup);
  EXPECT_EQ(failed.error().exit_status, 1);
  EXPECT_EQ(text(run("kill -9 $$")), "/bin/sh: killed by signal 9");
  EXPECT_EQ(text(run("printf 'a\\033[31mb\\n'; exit 1")), "/bin/sh: exit status 1: a\\x1b[31mb");
}

TEST_F(RunHook, ThatIsNotThereIsTold) {
  hook_.path = "/not/there";
  std::string why = text(run_as_it_is());
  EXPECT_NE(why.find("/hooks/poststop/0: execute /not/there"), std::string::npos) << why;
  EXPECT_NE(why.find("no such file or directory"), std::string::npos) << why;
  hook_.path = folder_.path();
  why = text(run_as_it_is());
  EXPECT_NE(why.find("permission denied"), std::string::npos) << why;
}

TEST_F(RunHook, OutputIsBounded) {
  std::string why = text(run("/usr/bin/head -c 3000000 /dev/zero | /usr/bin/tr '\\0' x; echo the end; exit 1"));
  EXPECT_LE(why.size(), 5000U);
  EXPECT_NE(why.find("the end"), std::string::npos);
  EXPECT_EQ(text(run("/usr/bin/head -c 3000000 /dev/zero")), "") << "no reader, but it still ends";
}

TEST_F(RunHook, ALargeStateThatNobodyReadsHoldsNothingUp) {
  state_ = std::string(1 << 20, 'x');
  EXPECT_EQ(text(run("exit 0", 20)), "");
  EXPECT_EQ(text(run("exec <&-; exit 0", 20)), "");
  EXPECT_EQ(text(run("/usr/bin/wc -c > count", 20)), "");
  EXPECT_EQ(atoi(file("count").c_str()), 1 << 20);
}

TEST_F(RunHook, TimeoutKillsAllThatItStarted) {
  auto began = std::chrono::steady_clock::now();
  // One in its group, and one that has left it and its parent.
  std::string why =
      text(run("/bin/sleep 1000 & echo $! > near; "
               "/usr/bin/setsid /bin/sh -c '(echo $$ > far; exec /bin/sleep 1000) & exit 0'; "
               "echo said; while :; do /bin/sleep 1; done",
               1));
  EXPECT_EQ(why, "/bin/sh: did not end within 1 s: said");
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(8));
  EXPECT_GT(pid_in("near"), 1);
  EXPECT_GT(pid_in("far"), 1);
  EXPECT_FALSE(lives(pid_in("near")));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "no child is left to reap";
}

TEST_F(RunHook, TimeoutHoldsAgainstAFlood) {
  std::string why = text(run("(/usr/bin/yes &); exec /usr/bin/yes", 1));
  EXPECT_EQ(why.substr(0, 34), "/bin/sh: did not end within 1 s: y");
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
}

TEST_F(RunHook, FailureLeavesNobody) {
  EXPECT_EQ(text(run("/usr/bin/setsid /bin/sleep 1000 & echo $! > far; exit 4")), "/bin/sh: exit status 4");
  EXPECT_GT(pid_in("far"), 1);
  EXPECT_FALSE(lives(pid_in("far")));
}

TEST_F(RunHook, SuccessLeavesADaemonAndDoesNotWaitForIt) {
  EXPECT_EQ(text(run("/usr/bin/setsid /bin/sleep 1000 & echo $! > daemon; exit 0", 30)), "");
  pid_t daemon = pid_in("daemon");
  ASSERT_TRUE(lives(daemon));
  EXPECT_EQ(kill(daemon, SIGKILL), 0);
  (void)waitpid(daemon, nullptr, 0);  // this process's now
}

TEST_F(RunHook, ASignalToGiveUpEndsIt) {
  pending_ = SIGTERM;
  auto given_up = run("exec /bin/sleep 1000");
  EXPECT_EQ(text(given_up), "/bin/sh: given up: signal 15");
  EXPECT_EQ(given_up.error().kind, ErrorKind::aborted);
  EXPECT_EQ(given_up.error().exit_status, 128 + SIGTERM);
}

TEST_F(RunHook, OutputGoesToFiles) {
  stdout_file_ = folder_.path("out");
  stderr_file_ = folder_.path("err");
  EXPECT_EQ(text(run("echo one; echo two >&2")), "");
  EXPECT_EQ(text(run("echo three; exit 1")), "/bin/sh: exit status 1");
  EXPECT_EQ(file("out"), "one\nthree\n");
  EXPECT_EQ(file("err"), "two\n");
  stderr_file_ = folder_.path("no/such/folder");
  EXPECT_NE(text(run("exit 0")).find("no such file or directory"), std::string::npos);
}

TEST_F(RunHook, WithoutAFolderForItsOutputOnlyTheOtherIsTold) {
  stdout_file_ = folder_.path("out");
  EXPECT_EQ(text(run("echo one; echo two >&2; exit 1")), "/bin/sh: exit status 1: two");
}

}  // namespace

class CompileHook : public CompileTest {
 protected:
  std::vector<std::string> hook_lines(const oci::Hook& hook, HookSide side) {
    ExecFacts joined{CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS, true};
    HookCall call{hook, "/hooks/x/0", side, "/cwd"};
    compiled = compile_hook(spec, facts(), joined, call);
    std::vector<std::string> out;
    for (uint32_t i = 0; i < compiled.plan.steps.size(); i++) out.push_back(describe(compiled.plan, i));
    return out;
  }
};

TEST_F(CompileHook, OfTheRuntimeJoinsNothing) {
  EXPECT_EQ(hook_lines({"/bin/hook", {}, {}, {}}, HookSide::runtime),
            (std::vector<std::string>{"be killed when the parent dies", "make the state descriptor 0",
                                      "make the hook's stdout descriptor 1", "make the hook's stderr descriptor 2",
                                      "set the umask to 0022", "change directory to /cwd",
                                      "close descriptors from 3 on at exec", "start a session", "execute /bin/hook"}));
  EXPECT_FALSE(compiled.plan.birth);
}

TEST_F(CompileHook, OfTheContainerJoinsItAndKeepsItsPrivileges) {
  auto all = hook_lines({"/bin/hook", {}, {}, {}}, HookSide::create_container);
  EXPECT_TRUE(compiled.plan.birth);
  expect_order(all,
               {"join pid,mount,uts namespace", "make the state", "change directory to /cwd", "execute /bin/hook"});
  EXPECT_EQ(find(all, "set capabilities"), -1);
}

TEST_F(CompileHook, InTheFinishedContainerIsConfinedAsItsProcess) {
  spec.process->user.uid = 33;
  spec.process->scheduler.emplace();
  auto all = hook_lines({"/bin/hook", {}, {}, {}}, HookSide::start_container);
  expect_order(all, {"join pid,mount,uts namespace", "make the state", "give stdio to uid 33", "become uid 33",
                     "set capabilities", "set no_new_privs", "close descriptors from 3 on", "clone the process",
                     "be killed when the parent dies", "start a session", "execute /bin/hook"});
  EXPECT_EQ(find(all, "set the scheduler"), -1) << "under a deadline it could start nothing";
}

}  // namespace minirun
