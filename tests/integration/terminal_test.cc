// SPDX-License-Identifier: Apache-2.0
// terminal: true, from a terminal as users do, and through --console-socket as engines do.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "sys/file.h"
#include "tests/support/descriptors.h"
#include "tests/support/fixture.h"
#include "tests/support/input.h"
#include "tests/support/screen.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Terminal : public MinirunTest {
 protected:
  void with_terminal(const std::vector<std::string>& payload) {
    bundle_.config["process"]["terminal"] = true;
    bundle_.payload(payload);
  }
  Bundle bundle_;
  Screen screen_;
};

TEST_F(Terminal, WorkloadHasOneOfTheCallersSize) {
  with_terminal({"tty"});
  Running container(run_command(bundle_), screen_.options());
  EXPECT_TRUE(screen_.wait_for("tty 33 101")) << screen_.shown();
  EXPECT_TRUE(screen_.wait_for("ready")) << screen_.shown();
  container.send(SIGTERM);
  EXPECT_EQ(container.finish().code, 0);
}

TEST_F(Terminal, ResizingReachesTheWorkload) {
  with_terminal({"tty"});
  Running container(run_command(bundle_), screen_.options());
  ASSERT_TRUE(screen_.wait_for("ready")) << screen_.shown();
  screen_.resize(44, 122);
  EXPECT_TRUE(screen_.wait_for("tty 44 122")) << screen_.shown();
  container.send(SIGTERM);
  container.finish();
}

TEST_F(Terminal, KeysReachTheWorkloadAndInterruptIsTheContainersOwn) {
  with_terminal({"tty"});
  Running container(run_command(bundle_), screen_.options());
  ASSERT_TRUE(screen_.wait_for("ready")) << screen_.shown();
  screen_.type("hello\r");
  EXPECT_TRUE(screen_.wait_for("read hello")) << screen_.shown();
  screen_.type("\x03");
  EXPECT_TRUE(screen_.wait_for("got 2")) << screen_.shown();
  screen_.type("\x1a");  // ^Z: the workload's, minirun goes on
  EXPECT_TRUE(screen_.wait_for("got 20")) << screen_.shown();
  screen_.type("\x04");  // end of file: the payload ends
  EXPECT_EQ(container.finish().code, 0);
}

TEST_F(Terminal, IsGivenBackWhenTheWorkloadEnds) {
  with_terminal({"exit", "3"});
  termios before = screen_.settings();
  EXPECT_EQ(Running(run_command(bundle_), screen_.options()).finish().code, 3);
  EXPECT_TRUE(same(before, screen_.settings()));
}

TEST_F(Terminal, IsRawMeanwhileAndGivenBackWhenMinirunIsKilled) {
  for (int signal : {SIGTERM, SIGKILL}) {
    Screen screen;
    with_terminal({"pause"});
    termios before = screen.settings();
    Running container(run_command(bundle_), screen.options());
    ASSERT_TRUE(screen.wait_for("ready")) << screen.shown();
    EXPECT_EQ(screen.settings().c_lflag & static_cast<tcflag_t>(ICANON | ECHO | ISIG), 0U);
    container.send(signal);
    container.finish();
    EXPECT_TRUE(eventually([&] { return same(before, screen.settings()); })) << "after signal " << signal;
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  }
}

TEST_F(Terminal, IsGivenBackWhenTheLaunchFails) {
  with_terminal({"true"});
  bundle_.config["process"]["args"] = {"nosuchcommand"};
  termios before = screen_.settings();
  EXPECT_EQ(Running(run_command(bundle_), screen_.options()).finish().code, 127);
  EXPECT_TRUE(same(before, screen_.settings()));
  EXPECT_TRUE(screen_.wait_for("executable file not found")) << screen_.shown();
}

TEST_F(Terminal, AllOutputArrivesBeforeTheEnd) {
  std::vector<std::string> args = {"print"};
  for (int i = 0; i < 400; ++i) args.push_back("line " + std::to_string(i));
  with_terminal(args);
  Running container(run_command(bundle_), screen_.options());
  EXPECT_TRUE(screen_.wait_for("line 399\r\n")) << screen_.shown();
  EXPECT_EQ(container.finish().code, 0);
}

TEST_F(Terminal, ConsoleDeviceIsTheTerminal) {
  with_terminal({"stat", "/dev/console"});
  Running container(run_command(bundle_), screen_.options());
  EXPECT_EQ(container.finish().code, 0);
  EXPECT_TRUE(screen_.wait_for("136:0")) << screen_.shown();
  EXPECT_NE(screen_.shown().find("/dev/console char"), std::string::npos) << screen_.shown();
}

TEST_F(Terminal, ConsoleSizeCountsWhereTheCallerHasNoTerminal) {
  with_terminal({"tty"});
  bundle_.config["process"]["consoleSize"] = {{"height", 20}, {"width", 50}};
  Running container(run_command(bundle_), {});
  EXPECT_TRUE(container.wait_for("tty 20 50")) << container.out() << container.err();
  container.send(SIGTERM);
  container.finish();
}

TEST_F(Terminal, OutputThatGoesToNoTerminalIsAsTheWorkloadWroteIt) {
  for (bool init : {true, false}) {
    with_terminal({"print", "one", "two"});
    Running container(run_command(bundle_, init ? std::vector<std::string>() : std::vector<std::string>{"--no-init"}),
                      {});
    Outcome outcome = container.finish();
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.out, "one\ntwo\n") << "and no \\r";
  }
  // A screen wants it. (Its own terminal adds none: minirun has made that raw.)
  Running shown(run_command(bundle_), screen_.options());
  EXPECT_TRUE(screen_.wait_for("one\r\ntwo\r\n")) << screen_.shown();
  EXPECT_EQ(shown.finish().code, 0);
}

TEST_F(Terminal, EndOfTheInputIsAnEndOfFile) {
  for (const std::string input : {"", "abc", "abc\n", "one\ntwo"}) {
    with_terminal({"cat"});
    Input pipe;
    pipe.text(input);
    pipe.close();
    Outcome outcome = Running(run_command(bundle_), pipe.options()).finish(10000);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.out.size(), 2 * input.size()) << "the terminal's echo, and what cat wrote: " << outcome.out;
  }
}

TEST_F(Terminal, WithoutOneTheCallersIsPassedThrough) {
  bundle_.payload({"tty"});
  Running container(run_command(bundle_), screen_.options());
  EXPECT_TRUE(screen_.wait_for("tty 33 101")) << screen_.shown();
  container.send(SIGTERM);
  EXPECT_EQ(container.finish().code, 0);
}

TEST_F(Terminal, DetachWithoutConsoleSocketIsRefused) {
  with_terminal({"true"});
  expect_refused(run(bundle_, {"--detach"}), {"console-socket"});
}

TEST_F(Terminal, ConsoleSocketWithoutTerminalIsRefused) {
  bundle_.payload({"true"});
  expect_refused(run(bundle_, {"--console-socket", "/run/tests/console"}), {"console-socket", "terminal"});
}

TEST_F(Terminal, ConsoleSocketThatNobodyListensOnIsNamed) {
  with_terminal({"true"});
  expect_refused(run(bundle_, {"--detach", "--console-socket", "/run/tests/missing"}), {"/run/tests/missing"});
}

TEST_F(Terminal, ConsoleSocketReceivesTheMaster) {
  with_terminal({"tty"});
  bundle_.config["process"]["consoleSize"] = {{"height", 21}, {"width", 51}};
  // Longer than the address of a socket can be.
  std::string folder = "/run/tests/" + std::string(120, 'd');
  make_folders(folder);
  UniqueFd listener = listen_at(folder + "/console", SOCK_STREAM);
  Outcome outcome = run(bundle_, {"--detach", "--console-socket", folder + "/console"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  UniqueFd terminal = receive_descriptor(listener.get());
  ASSERT_EQ(isatty(terminal.get()), 1);
  termios settings{};
  ASSERT_EQ(tcgetattr(terminal.get(), &settings), 0);
  EXPECT_NE(settings.c_oflag & static_cast<tcflag_t>(ONLCR), 0U) << "it is the engine's to set up";
  expect_shown(terminal.get(), "tty 21 51");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  remove_tree(folder);
}

// containerd reads create's output to its end before it goes on: what waits for start must not hold it, nor an init.
TEST_F(Terminal, CallersOutputEndsWithCreateAndWithADetachedRun) {
  with_terminal({"tty"});
  constexpr const char* kPath = "/run/tests/console";
  UniqueFd listener = listen_at(kPath, SOCK_STREAM);
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"create"}, {"create", "--init"}, {"run", "--detach"}}) {
    bundle_.write();
    std::vector<std::string> args = command;
    args.insert(args.end(), {"--console-socket", kPath, "--bundle", bundle_.path(), id()});
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    UniqueFd output(ends[0]);
    UniqueFd caller(ends[1]);
    Outcome outcome = call(args, {.stdout_fd = caller.get(), .stderr_fd = caller.get()});
    caller = UniqueFd();
    ASSERT_EQ(outcome.code, 0) << command.back() << ": " << *read_all(output.get(), 4096, "output");
    UniqueFd terminal = receive_descriptor(listener.get());
    pollfd end = {output.get(), POLLIN, 0};
    EXPECT_EQ(poll(&end, 1, 5000), 1) << command.front() << " " << command.back();
    EXPECT_EQ(end.revents, POLLHUP);
    if (command.front() == "create") {
      EXPECT_EQ(call({"start", id()}).code, 0);
    }
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  }
  EXPECT_EQ(unlink(kPath), 0);
}

// The same message with a pidfd: --pidfd-socket, and crun's annotation for it.
TEST_F(Terminal, PidfdSocketReceivesThePidfd) {
  constexpr const char* kPath = "/run/tests/pidfd";
  UniqueFd listener = listen_at(kPath, SOCK_STREAM);
  Bundle bundle;
  bundle.payload({"pause"});
  for (bool annotation : {true, false}) {
    bundle.config["annotations"] = {{"run.oci.pidfd_receiver", annotation ? kPath : "/run/tests/missing"}};
    std::vector<std::string> flags = {"--pid-file", kPidFile};
    if (!annotation) flags.insert(flags.end(), {"--pidfd-socket", kPath});
    ASSERT_EQ(detach(bundle, flags).code, 0);
    UniqueFd pidfd = receive_descriptor(listener.get());
    EXPECT_NE(content("/proc/self/fdinfo/" + std::to_string(pidfd.get())).find("Pid:\t" + content(kPidFile)),
              std::string::npos);
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    EXPECT_EQ(unlink(kPidFile), 0);
  }
  EXPECT_EQ(unlink(kPath), 0);
}

}  // namespace
}  // namespace minirun::testing
