// SPDX-License-Identifier: Apache-2.0
// `minirun top` on a terminal: it fits, follows the terminal's size, and leaves the terminal as it was.
#include <fmt/format.h>
#include <sys/wait.h>

#include <functional>

#include "tests/support/doctor_fixture.h"
#include "tests/support/screen.h"

namespace minirun::testing {
namespace {

const std::string kTaken = "\033[?1049h";
const std::string kGivenBack = "\033[?1049l";

// As a shell does: the caller is the child, in a process group of its own, and in the foreground. Its parent goes on
// when it stops, and continues it when a line is typed.
void run_as_a_job() {
  if (setsid() < 0 || ioctl(0, TIOCSCTTY, 0) != 0) _exit(97);
  (void)signal(SIGTTOU, SIG_IGN);
  pid_t pid = fork();
  (void)setpgid(pid, 0);
  (void)tcsetpgrp(0, pid != 0 ? pid : getpid());
  if (pid == 0) {
    (void)signal(SIGTTOU, SIG_DFL);
    return;
  }
  int status = 0;
  while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status)) {
    (void)tcsetpgrp(0, getpgrp());
    (void)!write(1, "[stopped]", 9);
    char go = 0;
    (void)!read(0, &go, 1);
    (void)tcsetpgrp(0, pid);
    (void)kill(-pid, SIGCONT);
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 98);
}

class TopScreen : public Doctor {
 protected:
  void SetUp() override {
    Doctor::SetUp();
    screen_.resize(24, 80);
    before_ = screen_.settings();
  }
  StartOptions options(const std::vector<std::string>& env = {"TERM=xterm"}) const {
    StartOptions options = screen_.options();
    options.env.insert(options.env.end(), env.begin(), env.end());
    return options;
  }
  void expect_sane() {
    EXPECT_TRUE(screen_.wait_for(kGivenBack)) << screen_.shown();
    EXPECT_TRUE(screen_.shown().find("\033[?25h") != std::string::npos) << "the cursor";
    EXPECT_TRUE(same(before_, screen_.settings()));
  }
  // Nothing but the sequences that every terminal has; no line is longer than the terminal is wide.
  static void expect_lines_within(const std::string& shown, size_t width) {
    size_t column = 0;
    for (size_t i = 0; i < shown.size(); ++i) {
      if (shown[i] == '\033') {
        ASSERT_EQ(shown[i + 1], '[');
        i = shown.find_first_not_of("[?;0123456789", i + 1);
        ASSERT_NE(std::string("HJKmhl").find(shown[i]), std::string::npos) << "sequence " << shown[i];
        if (shown[i] == 'H') column = 0;
        continue;
      }
      column = shown[i] == '\n' || shown[i] == '\r' ? 0 : column + 1;
      ASSERT_LE(column, width) << shown.substr(0, i);
    }
  }
  Screen screen_;
  termios before_{};
};

TEST_F(TopScreen, KeysAndSignalsLeaveTheTerminalSane) {
  ail({"healthy"});
  struct Way {
    std::function<void(const Running&)> leave;
    int code;
  };
  const Way ways[] = {{[&](const Running&) { screen_.type("q"); }, 0},
                      {[&](const Running&) { screen_.type("\x03"); }, 0},
                      {[](const Running& top) { top.send(SIGTERM); }, 128 + SIGTERM},
                      {[](const Running& top) { top.send(SIGHUP); }, 128 + SIGHUP},
                      {[](const Running& top) { top.send(SIGQUIT); }, 128 + SIGQUIT}};
  for (const Way& way : ways) {
    screen_.clear();
    Running top(minirun({"top", "--delay", "1h"}), options());
    ASSERT_TRUE(screen_.wait_for(id())) << screen_.shown();
    EXPECT_TRUE(screen_.shown().find(kTaken) != std::string::npos);
    EXPECT_FALSE(same(before_, screen_.settings())) << "keys come one by one";
    way.leave(top);
    EXPECT_EQ(top.finish().code, way.code);
    expect_sane();
  }
  end();
}

TEST_F(TopScreen, FollowsTheSizeOfTheTerminal) {
  ail({"healthy"});
  Running top(minirun({"top", "--delay", "1h", id()}), options());
  ASSERT_TRUE(screen_.wait_for("minirun-init")) << screen_.shown();
  EXPECT_EQ(screen_.shown().find("OPENED BY"), std::string::npos);
  expect_lines_within(screen_.shown(), 80);
  screen_.clear();
  screen_.resize(50, 200);
  ASSERT_TRUE(screen_.wait_for("OPENED BY")) << screen_.shown();
  ASSERT_TRUE(screen_.wait_for("minirun-init"));
  expect_lines_within(screen_.shown(), 200);
  screen_.clear();
  screen_.resize(4, 40);
  ASSERT_TRUE(screen_.wait_for("more lines")) << screen_.shown();
  expect_lines_within(screen_.shown(), 40);
  screen_.type("q");
  EXPECT_EQ(top.finish().code, 0);
  expect_sane();
  end();
}

TEST_F(TopScreen, StopsAndGoesOn) {
  ail({"healthy"});
  StartOptions start = options();
  start.in_child = run_as_a_job;
  Running top(minirun({"top", "--delay", "1h"}), start);
  ASSERT_TRUE(screen_.wait_for(id())) << screen_.shown();
  screen_.clear();
  screen_.type("\x1a");
  ASSERT_TRUE(screen_.wait_for("[stopped]")) << screen_.shown();
  EXPECT_LT(screen_.shown().find(kGivenBack), screen_.shown().find("[stopped]"));
  EXPECT_TRUE(same(before_, screen_.settings()));
  screen_.clear();
  screen_.type("\n");
  ASSERT_TRUE(screen_.wait_for(kTaken)) << screen_.shown();
  ASSERT_TRUE(screen_.wait_for(id())) << screen_.shown();
  screen_.type("q");
  EXPECT_EQ(top.finish().code, 0);
  expect_sane();
  end();
}

// A terminal that takes no output (Ctrl-S).
TEST_F(TopScreen, EndsWhileTheTerminalStandsStill) {
  ail({"healthy"});
  Running top(minirun({"top", "--delay", "10ms"}), options());
  ASSERT_TRUE(screen_.wait_for(id())) << screen_.shown();
  screen_.type("\x13");
  usleep(300000);
  top.send(SIGTERM);
  EXPECT_EQ(top.finish().code, 128 + SIGTERM);
  EXPECT_TRUE(same(before_, screen_.settings()));
  end();
}

TEST_F(TopScreen, EndsWithItsTerminal) {
  ail({"healthy"});
  Running top(minirun({"top", "--delay", "10ms"}), options());
  ASSERT_TRUE(screen_.wait_for(id())) << screen_.shown();
  screen_.hang_up();
  int code = top.finish().code;
  EXPECT_TRUE(code == 128 + SIGHUP || code == -SIGHUP) << code << ": which of both it saw first";
  end();
}

TEST_F(TopScreen, ColoursOnlyWhereTheyAreWanted) {
  bundle_.config["process"]["rlimits"] = nlohmann::json::array();
  ail({"descriptors", "99", "100"});
  for (bool wanted : {true, false}) {
    screen_.clear();
    Running top(minirun({"top", "--delay", "1h"}), options({"TERM=xterm", wanted ? "A=b" : "NO_COLOR=1"}));
    ASSERT_TRUE(screen_.wait_for("99/100")) << screen_.shown();
    EXPECT_EQ(screen_.shown().find("\033[3") != std::string::npos, wanted) << screen_.shown();
    screen_.type("q");
    EXPECT_EQ(top.finish().code, 0);
    expect_sane();
  }
  end();
}

TEST_F(TopScreen, WithoutAScreenItIsOneTable) {
  ail({"healthy"});
  for (const std::vector<std::string>& env : {std::vector<std::string>{"TERM=dumb"}, {}}) {
    screen_.clear();
    Running top(minirun({"top", "--delay", "100ms"}), options(env));
    EXPECT_EQ(top.finish().code, 0);
    EXPECT_TRUE(screen_.wait_for(id())) << screen_.shown();
    EXPECT_EQ(screen_.shown().find('\033'), std::string::npos) << screen_.shown();
  }
  end();
}

}  // namespace
}  // namespace minirun::testing
