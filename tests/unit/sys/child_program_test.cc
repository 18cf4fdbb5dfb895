// SPDX-License-Identifier: Apache-2.0
#include "sys/child_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "sys/file.h"
#include "sys/pidfd.h"
#include "sys/pipe.h"
#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kLong = 20s;  // of a test that fails; a machine under load may take its time

class Programs : public ::testing::Test {
 protected:
  // sh -c SCRIPT
  static ProgramStart shell(const std::string& script) {
    const char* path = access("/bin/sh", X_OK) == 0 ? "/bin/sh" : "/bin/busybox";  // guests have no more
    ProgramStart start;
    start.path = path;
    start.arguments = {"sh", "-c", script};
    start.environment = {"PATH=/usr/bin:/bin"};
    return start;
  }
  static ProgramOutcome run(const ProgramStart& start, size_t most = 1 << 20) {
    auto ended = run_program(start, kLong, most);
    EXPECT_TRUE(ended.ok()) << ended.error().text();
    return ended.ok() ? std::move(*ended) : ProgramOutcome{-1, "", ""};
  }
  void TearDown() override {
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
    EXPECT_EQ(errno, ECHILD);
  }

  TemporaryDirectory directory_;
};

TEST_F(Programs, OutputErrorsAndStatusComeBack) {
  ProgramStart start = shell("cat; echo \"$0 $1 $VARIABLE\"; echo of stderr >&2; exit 7");
  start.arguments.insert(start.arguments.end(), {"zero", "one"});
  start.environment.emplace_back("VARIABLE=value");
  ProgramOutcome ended = run(start);
  EXPECT_EQ(ended.output, "zero one value\n") << "and stdin is empty";
  EXPECT_EQ(ended.errors, "of stderr");
  EXPECT_TRUE(WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 7) << ended.status;
  ended = run(shell("kill -9 $$"));
  EXPECT_TRUE(WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGKILL) << ended.status;
}

TEST_F(Programs, WithoutABoundStdoutIsDevNull) {
  ProgramOutcome ended = run(shell("echo lost; [ /proc/$$/fd/1 -ef /dev/null ] && echo null >&2"), 0);
  EXPECT_EQ(ended.output, "");
  EXPECT_EQ(ended.errors, "null");
}

TEST_F(Programs, FailedExecIsAnErrorWithItsErrno) {
  directory_.write("text", "no program\n", 0755);
  directory_.write("closed", "#!/bin/sh\n", 0644);
  struct {
    std::string path;
    int code;
  } const kCases[] = {{"/nonexistent/program", ENOENT},
                      {directory_.path("text"), ENOEXEC},
                      {directory_.path("closed"), EACCES},
                      {directory_.path(), EACCES}};
  for (const auto& c : kCases) {
    ProgramStart start;
    start.path = c.path;
    start.arguments = {"program"};
    auto ended = run_program(start, kLong);
    ASSERT_FALSE(ended.ok()) << c.path;
    EXPECT_EQ(ended.error().code, c.code) << c.path;
    EXPECT_EQ(ended.error().message, "execute " + c.path);
    start.name = "it";
    EXPECT_EQ(run_program(start, kLong).error().message, "execute it");
  }
}

TEST_F(Programs, PreparationThatFailsIsAnErrorAndNothingIsExecuted) {
  ProgramStart start = shell("echo executed");
  start.prepare = [] {
    errno = EXDEV;
    return "prepare it";
  };
  EXPECT_EQ(run_program(start, kLong, 100).error().text(), "prepare it: invalid cross-device link");
  start.prepare = [] { return chdir("/proc") == 0 ? nullptr : "chdir"; };
  start.arguments[2] = "pwd";
  EXPECT_EQ(run(start).output, "/proc\n");
}

TEST_F(Programs, DescriptorThatIsNotThereIsAnError) {
  ProgramStart start = shell("true");
  start.kept_fds = {1000000};
  start.name = "it";
  EXPECT_EQ(run_program(start, kLong).error().text(), "give it its descriptors: bad file descriptor");
}

TEST_F(Programs, HasNoDescriptorButThoseOfItsOwn) {
  UniqueFd open_to_all(fcntl(directory_.fd(), F_DUPFD, 3)), kept = UniqueFd::duplicate(directory_.fd(), 50);
  ProgramStart start =
      shell("for fd in /proc/$$/fd/*; do case $(readlink $fd) in *minirun-test*) echo ${fd##*/}; esac; done");
  EXPECT_EQ(run(start).output, "");
  start.kept_fds = {kept.get()};
  EXPECT_EQ(run(start).output, std::to_string(kept.get()) + "\n");
}

TEST_F(Programs, HasAnOrdinaryMaskAndDispositions) {
  sigset_t all, before;
  sigfillset(&all);
  auto old = signal(SIGHUP, SIG_IGN);
  ASSERT_EQ(sigprocmask(SIG_SETMASK, &all, &before), 0);
  ProgramOutcome ended =
      run(shell("while read -r name mask; do case $name in SigBlk:|SigIgn:) echo $mask; esac; done"
                " < /proc/$$/status"));
  ASSERT_EQ(sigprocmask(SIG_SETMASK, &before, nullptr), 0);
  (void)signal(SIGHUP, old);
  EXPECT_EQ(ended.output, "0000000000000000\n0000000000000000\n");
}

TEST_F(Programs, ThatPrintsTooMuchIsKilled) {
  auto begun = Clock::now();
  ProgramStart start = shell("exec cat /dev/zero");
  start.name = "it";
  auto ended = run_program(start, kLong, 100000);
  EXPECT_EQ(ended.error().text(), "it prints more than 100000 bytes: file too large");
  EXPECT_LT(Clock::now() - begun, kLong);
  EXPECT_EQ(run(shell("printf 12345"), 5).output, "12345") << "as much as the bound";
  EXPECT_EQ(run_program(shell("printf 123456"), kLong, 5).error().code, EFBIG);
}

TEST_F(Programs, ThatIgnoresTheDeadlineIsKilled) {
  for (const char* script : {"trap '' TERM INT HUP; exec sleep 100", "exec sleep 100 >&-"}) {
    for (size_t most : {size_t{0}, size_t{100}}) {
      ProgramStart start = shell(script);
      start.name = "it";
      auto begun = Clock::now();
      EXPECT_EQ(run_program(start, 100ms, most).error().text(), "it does not end: connection timed out") << script;
      EXPECT_GE(Clock::now() - begun, 100ms);
      EXPECT_LT(Clock::now() - begun, kLong);
    }
  }
}

TEST_F(Programs, MayCloseItsOutputAndGoOn) {
  ProgramOutcome ended = run(shell("echo x; exec >&-; sleep 0.2; exit 3"));
  EXPECT_EQ(ended.output, "x\n");
  EXPECT_TRUE(WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 3) << ended.status;
}

// As a daemon does: minirun does not wait for its end, nor for the deadline.
TEST_F(Programs, MayLeaveAProcessBehindThatHasItsOutput) {
  auto begun = Clock::now();
  ProgramOutcome ended = run(shell("sleep 100 & echo $!"));
  EXPECT_LT(Clock::now() - begun, kLong);
  pid_t left = atoi(ended.output.c_str());
  ASSERT_GT(left, 1) << ended.output;
  EXPECT_EQ(kill(left, SIGKILL), 0);
}

TEST_F(Programs, ThatFloodsStderrWaitsForNobody) {
  ProgramOutcome ended = run(shell("head -c 1000000 /dev/zero >&2; echo through"));
  EXPECT_EQ(ended.output, "through\n");
  EXPECT_EQ(ended.errors.size(), 1024U);
}

TEST_F(Programs, EndsWithTheObjectWhichMayMove) {
  UniqueFd pidfd;
  {
    auto started = ChildProgram::start(shell("trap '' TERM; exec sleep 100"));
    ASSERT_TRUE(started.ok()) << started.error().text();
    ChildProgram moved = std::move(started).value();
    ASSERT_TRUE(moved.executed().ok());
    pidfd = UniqueFd::duplicate(moved.pidfd());
    EXPECT_EQ(moved.wait(Clock::now()).error().code, ETIMEDOUT);
    EXPECT_FALSE(*has_ended(pidfd.get()));
  }
  EXPECT_FALSE(*send_signal(pidfd.get(), 0)) << "killed and reaped";
}

TEST_F(Programs, ThatWasReapedIsKilledByNoNumber) {
  auto started = ChildProgram::start(shell("exit 4"));
  ASSERT_TRUE(started.ok()) << started.error().text();
  ASSERT_TRUE(started->executed().ok());
  int status = 0;
  ASSERT_EQ(waitpid(started->pid(), &status, 0), started->pid());
  EXPECT_EQ(started->wait(Clock::now()).error().text(), "wait for " + shell("").path + ": no child processes");
}

// The pipe's end shows that the program is gone: only it has the writer.
TEST_F(Programs, DiesWithItsCallerWhenAsked) {
  Pipe life = std::move(make_pipe()).value();
  ProgramStart start = shell("echo executed; exec sleep 100");
  start.stdout_fd = life.writer.get();
  start.dies_with_caller = true;
  pid_t caller = fork();
  if (caller == 0) {
    auto started = ChildProgram::start(start);
    char line[9];
    bool ready = started.ok() && started->executed().ok() && read(life.reader.get(), line, sizeof line) == sizeof line;
    _exit(ready ? 0 : 1);  // no destructor runs
  }
  life.writer.reset();
  int status = 0;
  ASSERT_EQ(waitpid(caller, &status, 0), caller);
  EXPECT_EQ(status, 0);
  pollfd end{life.reader.get(), POLLIN, 0};
  EXPECT_EQ(poll(&end, 1, 20000), 1);
  EXPECT_EQ(*read_all(life.reader.get(), 100, "the pipe"), "");
}

TEST_F(Programs, AreFoundInAbsoluteDirectoriesOnly) {
  directory_.write("program", "#!/bin/sh\n", 0755);
  directory_.write("data", "", 0644);
  std::string path = directory_.path();
  EXPECT_EQ(find_program("program", path), path + "/program");
  EXPECT_EQ(find_program("program", "/nonexistent:" + path + ":/bin"), path + "/program");
  EXPECT_EQ(find_program("data", path), "");
  EXPECT_EQ(find_program("program", ""), "");
  UniqueFd before(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(chdir(path.c_str()), 0);
  EXPECT_EQ(find_program("program", ".::/nonexistent:"), "");
  ASSERT_EQ(fchdir(before.get()), 0);
}

}  // namespace
}  // namespace minirun
