// SPDX-License-Identifier: Apache-2.0
// A terminal's signals: keys, a hangup, a new window size.
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "sys/process_stat.h"
#include "tests/support/exec_fixture.h"
#include "tests/support/screen.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class TerminalSignals : public ExecTest {
 protected:
  std::vector<std::string> run_with_terminal(const std::vector<std::string>& payload) {
    bundle_.config["process"]["terminal"] = true;
    bundle_.payload(payload);
    return run_command(bundle_);
  }
  std::vector<std::string> exec_with_terminal(std::vector<std::string> payload) const {
    payload.insert(payload.begin(), "/bin/payload");
    return exec_command({"-t"}, payload);
  }

  static void expect_keys_are_for_the_job(const std::vector<std::string>& command) {
    Screen screen;
    Running one(command, screen.options());
    ASSERT_TRUE(screen.wait_for("job\r\n")) << screen.shown();
    screen.type("\x1a");  // ^Z
    ASSERT_TRUE(screen.wait_for("stopped by " + std::to_string(SIGTSTP) + "\r\n")) << screen.shown();
    screen.type("fg\r");
    ASSERT_TRUE(screen.wait_for("goes on\r\n")) << screen.shown();
    screen.type("\x1c");  // ^\ .
    EXPECT_EQ(one.finish().code, 128 + SIGQUIT) << screen.shown();
    EXPECT_EQ(screen.shown().find("payload:"), std::string::npos) << screen.shown();
  }

  // 200 of them, faster than anybody draws.
  static void expect_last_size(const std::vector<std::string>& command) {
    Screen screen;
    Running one(command, screen.options());
    ASSERT_TRUE(screen.wait_for("ready\r\n")) << screen.shown();
    for (unsigned short i = 1; i <= 200; ++i) screen.resize(100 + i, 300 + i);
    EXPECT_TRUE(screen.wait_for("tty 300 500\r\n")) << screen.shown();
    one.send(SIGTERM);
    EXPECT_TRUE(screen.wait_for("got 15\r\n")) << screen.shown();
    EXPECT_EQ(one.finish().code, 0);
    std::string last = screen.shown().substr(screen.shown().rfind("tty "));
    EXPECT_EQ(last.substr(0, last.find('\r')), "tty 300 500") << screen.shown();
  }

  // The job that has executed sleep(1) has the terminal. Before that, keys that make signals are the shell's.
  bool sleep_has_the_terminal() const {
    constexpr int kProcessGroup = 5, kForegroundGroup = 8;  // fields of proc_pid_stat(5)
    const nlohmann::json pids = nlohmann::json::parse(call({"ps", "--format", "json", id()}).out);
    return std::any_of(pids.begin(), pids.end(), [](const nlohmann::json& pid) {
      auto stat = read_stat(pid.get<pid_t>());
      return stat.ok() && stat->find("(sleep)") != std::string::npos &&
             stat_field(*stat, kProcessGroup) == stat_field(*stat, kForegroundGroup);
    });
  }

  static void expect_hangup(const std::vector<std::string>& command, int code) {
    Screen screen;
    Running one(command, screen.options());
    ASSERT_TRUE(screen.wait_for("ready\r\n")) << screen.shown();
    screen.hang_up();
    EXPECT_EQ(one.finish().code, code);
  }
};

TEST_F(TerminalSignals, QuitAndStopKeysAreForTheWorkloadsForegroundJob) {
  expect_keys_are_for_the_job(run_with_terminal({"shell"}));
}

TEST_F(TerminalSignals, QuitAndStopKeysAreForTheForegroundJobOfAnExec) {
  start();
  expect_keys_are_for_the_job(exec_with_terminal({"shell"}));
  end();
}

TEST_F(TerminalSignals, RealShellHasJobControl) {
  if (!bundle_.add_busybox({"sh", "sleep"})) GTEST_SKIP() << "no busybox";
  bundle_.config["process"]["terminal"] = true;
  bundle_.config["process"]["args"] = {"/bin/sh", "-i"};
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    Screen screen;
    Running container(run_command(bundle_, flags), screen.options());
    ASSERT_TRUE(screen.wait_for("# ")) << screen.shown();
    screen.type("sleep 1000\r");
    ASSERT_TRUE(eventually([&] { return sleep_has_the_terminal(); })) << screen.shown();
    screen.type("\x1a");
    ASSERT_TRUE(screen.wait_for("Stopped")) << screen.shown();
    screen.type("fg\r");
    // The shell prints the job's command before it gives it the terminal.
    ASSERT_TRUE(eventually([&] { return sleep_has_the_terminal(); })) << screen.shown();
    screen.type("\x03");
    screen.type("echo $((6 * 7)) $?\r");
    EXPECT_TRUE(screen.wait_for("42 130")) << screen.shown();
    EXPECT_EQ(screen.shown().find("job control turned off"), std::string::npos) << screen.shown();
    screen.type("exit 6\r");
    EXPECT_EQ(container.finish().code, 6) << screen.shown();
  }
}

TEST_F(TerminalSignals, QuitKeyEndsAWorkloadWithoutAHandler) {
  Screen screen;
  Running container(run_with_terminal({"pause"}), screen.options());
  ASSERT_TRUE(screen.wait_for("ready\r\n")) << screen.shown();
  screen.type("\x1c");
  EXPECT_EQ(container.finish().code, 128 + SIGQUIT) << screen.shown();
}

TEST_F(TerminalSignals, LastOfManySizesIsSeen) {
  expect_last_size(run_with_terminal({"tty"}));
}

TEST_F(TerminalSignals, LastOfManySizesIsSeenByAnExec) {
  start();
  expect_last_size(exec_with_terminal({"tty"}));
  end();
}

// The workload hears of it by SIGHUP, which ends it or not; the end is the ordinary one, with nothing left behind.
TEST_F(TerminalSignals, HangupEndsARun) {
  expect_hangup(run_with_terminal({"pause"}), 128 + SIGHUP);
  expect_refused(call({"state", id()}), {"container does not exist"});
  expect_hangup(run_with_terminal({"exit-on", std::to_string(SIGHUP), "5"}), 5);
  expect_refused(call({"state", id()}), {"container does not exist"});
}

TEST_F(TerminalSignals, HangupEndsAnExecAndNotItsContainer) {
  start();
  std::string alone = call({"ps", "--format", "json", id()}).out;
  expect_hangup(exec_with_terminal({"pause"}), 128 + SIGHUP);
  expect_hangup(exec_with_terminal({"exit-on", std::to_string(SIGHUP), "5"}), 5);
  EXPECT_TRUE(eventually([&] { return call({"ps", "--format", "json", id()}).out == alone; }));
  end();
}

// nohup(1) of its own: it goes on, and still hears minirun's other signals.
TEST_F(TerminalSignals, HangupLeavesAWorkloadThatHandlesItAlone) {
  Screen screen;
  Running container(run_with_terminal({"exit-on", std::to_string(SIGUSR2), "6"}), screen.options());
  ASSERT_TRUE(screen.wait_for("ready\r\n")) << screen.shown();
  screen.hang_up();
  container.send(SIGUSR2);
  EXPECT_EQ(container.finish().code, 6);
}

}  // namespace
}  // namespace minirun::testing
