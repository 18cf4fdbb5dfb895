// SPDX-License-Identifier: Apache-2.0
// `exec --tty` in the foreground, and `create --console-socket`: the terminal of a process that is not the first, and
// of one that waits for start.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/descriptors.h"
#include "tests/support/exec_fixture.h"
#include "tests/support/input.h"
#include "tests/support/screen.h"
#include "tests/support/subreaper.h"

namespace minirun::testing {
namespace {

constexpr const char* kConsoleSocket = "/run/tests/console";

class ExecTerminal : public ExecTest {
 protected:
  Screen screen_;
};

TEST_F(ExecTerminal, RelaysBothWaysAndFollowsTheSize) {
  start();
  termios before = screen_.settings();
  Running one(exec_command({"-t"}, {"/bin/payload", "tty"}), screen_.options());
  ASSERT_TRUE(screen_.wait_for("tty 33 101")) << screen_.shown();
  ASSERT_TRUE(screen_.wait_for("ready")) << screen_.shown();
  EXPECT_EQ(screen_.settings().c_lflag & static_cast<tcflag_t>(ICANON | ECHO | ISIG), 0U) << "raw meanwhile";
  screen_.type("hello\r");
  EXPECT_TRUE(screen_.wait_for("read hello")) << screen_.shown();
  screen_.resize(44, 122);
  EXPECT_TRUE(screen_.wait_for("tty 44 122")) << screen_.shown();
  screen_.type("\x03");  // the process's, not minirun's
  EXPECT_TRUE(screen_.wait_for("got 2")) << screen_.shown();
  screen_.type("\x04");
  EXPECT_EQ(one.finish().code, 0);
  EXPECT_TRUE(same(before, screen_.settings()));
  end();
}

TEST_F(ExecTerminal, AllOutputComesBeforeTheStatus) {
  start();
  termios before = screen_.settings();
  std::vector<std::string> command = {"/bin/payload", "print"};
  for (int i = 0; i < 400; ++i) command.push_back("line " + std::to_string(i));
  Running one(exec_command({"--tty"}, command), screen_.options());
  EXPECT_TRUE(screen_.wait_for("line 399\r\n")) << screen_.shown();
  EXPECT_EQ(one.finish().code, 0);
  Running two(exec_command({"--tty"}, {"/bin/payload", "exit", "9"}), screen_.options());
  EXPECT_EQ(two.finish().code, 9);
  Running three(exec_command({"--tty"}, {"nosuchcommand"}), screen_.options());
  EXPECT_EQ(three.finish().code, 127);
  EXPECT_TRUE(screen_.wait_for("executable file not found")) << screen_.shown();
  EXPECT_TRUE(same(before, screen_.settings()));
  end();
}

TEST_F(ExecTerminal, EndOfTheInputIsAnEndOfFile) {
  start();
  Input pipe;
  pipe.text("abc");
  pipe.close();
  Running one(exec_command({"-t"}, {"/bin/payload", "cat"}), pipe.options());
  Outcome outcome = one.finish(10000);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out, "abcabc") << "the terminal's echo, and what cat wrote";
  end();
}

TEST_F(ExecTerminal, OutputThatGoesToNoTerminalIsAsTheProcessWroteIt) {
  start();
  Running one(exec_command({"-t"}, {"/bin/payload", "print", "one"}), {});
  EXPECT_EQ(one.finish().out, "one\n") << "and no \\r";
  end();
}

TEST_F(ExecTerminal, IsGivenBackWhenMinirunIsKilled) {
  start();
  for (int signal : {SIGTERM, SIGKILL}) {
    Screen screen;
    termios before = screen.settings();
    Running one(exec_command({"-t"}, {"/bin/payload", "pause"}), screen.options());
    ASSERT_TRUE(screen.wait_for("ready")) << screen.shown();
    one.send(signal);
    EXPECT_EQ(one.finish().code, signal == SIGKILL ? -SIGKILL : 128 + SIGTERM);
    EXPECT_TRUE(eventually([&] { return same(before, screen.settings()); })) << "after signal " << signal;
  }
  end();
}

TEST_F(ExecTerminal, WrongUsesOfTheConsoleSocket) {
  start();
  auto expect_failed = [&](const std::vector<std::string>& flags, const std::string& text) {
    Outcome outcome = exec(flags, {"/bin/payload", "true"});
    EXPECT_EQ(outcome.code, 255) << describe(outcome);
    EXPECT_NE(outcome.err.find(text), std::string::npos) << describe(outcome);
  };
  expect_failed({"-t", "--console-socket", kConsoleSocket}, "console-socket");  // the terminal is relayed
  expect_failed({"-t", "-d"}, "console-socket");
  expect_failed({"-d", "--console-socket", kConsoleSocket}, "terminal");
  expect_failed({"-t", "-d", "--console-socket", kConsoleSocket}, "no such file");
  end();
}

class CreateTerminal : public WithSubreaper<ExecTest> {
 protected:
  Outcome create(const std::vector<std::string>& flags) {
    bundle_.payload({"tty"});
    bundle_.write();
    std::vector<std::string> args = {"create", "--pid-file", kPidFile, "--bundle", bundle_.path()};
    args.insert(args.end(), flags.begin(), flags.end());
    args.push_back(id());
    return call(args);
  }
};

TEST_F(CreateTerminal, ConsoleSocketReceivesItBeforeTheStart) {
  bundle_.config["process"]["terminal"] = true;
  bundle_.config["process"]["consoleSize"] = {{"height", 21}, {"width", 51}};
  UniqueFd listener = listen_at(kConsoleSocket, SOCK_STREAM);
  Outcome outcome = create({"--console-socket", kConsoleSocket});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  UniqueFd terminal = receive_descriptor(listener.get());
  ASSERT_EQ(isatty(terminal.get()), 1);
  ASSERT_EQ(fcntl(terminal.get(), F_SETFL, O_NONBLOCK), 0);
  outcome = call({"start", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  std::string shown;
  auto shows = [&](const std::string& text) {
    return eventually([&] {
      char block[4096];
      ssize_t n = read(terminal.get(), block, sizeof block);
      if (n > 0) shown.append(block, static_cast<size_t>(n));
      return shown.find(text) != std::string::npos;
    });
  };
  EXPECT_TRUE(shows("tty 21 51")) << shown;
  EXPECT_TRUE(shows("ready")) << shown;
  ASSERT_EQ(write(terminal.get(), "hi\r\x04", 4), 4);
  EXPECT_TRUE(shows("read hi")) << shown;
  int status = -1;
  EXPECT_EQ(waitpid(container_pid(), &status, 0), container_pid());
  EXPECT_EQ(status, 0);
  EXPECT_EQ(call({"delete", id()}).code, 0);
  EXPECT_EQ(unlink(kConsoleSocket), 0);
}

TEST_F(CreateTerminal, WrongUsesOfTheConsoleSocket) {
  expect_refused(create({"--console-socket", kConsoleSocket}), {"console-socket", "terminal"});
  bundle_.config["process"]["terminal"] = true;
  expect_refused(create({}), {"console-socket"});
  expect_refused(create({"--console-socket", kConsoleSocket}), {kConsoleSocket, "no such file"});
  expect_refused(call({"state", id()}), {"container does not exist"});
}

}  // namespace
}  // namespace minirun::testing
