// SPDX-License-Identifier: Apache-2.0
// Every signal arrives once, on each way to a workload.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <functional>

#include "tests/support/exec_fixture.h"
#include "tests/support/screen.h"

namespace minirun::testing {
namespace {

class EverySignal : public ExecTest {
 protected:
  static constexpr int kLast = 64;
  using Send = std::function<void(int signal)>;
  using Sees = std::function<bool(const std::string& text)>;

  static std::vector<std::string> payload_args() { return {"signals", std::to_string(kLast)}; }
  static std::string got(int signal) { return "got " + std::to_string(signal) + "\n"; }
  static bool is_stopped(pid_t pid) {
    std::string stat = content("/proc/" + std::to_string(pid) + "/stat");
    return stat.find(") T ") != std::string::npos;
  }

  // Sends them to a minirun in the foreground, one after the other. Returns what the workload should have said in all;
  // one that came twice, or that should not have come, would stand between.
  //
  // All but SIGKILL, which ends minirun at once (Signals.KillingMinirunTakesTheContainerAlong). SIGCHLD is minirun's
  // own. SIGSTOP stops minirun alone: what comes then waits for SIGCONT.
  static std::string send_each(pid_t minirun, const Send& send, const Sees& sees) {
    std::string expected = "ready\n";
    auto arrives = [&](int signal) {
      expected += got(signal);
      EXPECT_TRUE(sees(expected)) << "signal " << signal;
    };
    for (int signal = 1; signal <= kLast && !HasFailure(); ++signal) {
      if (signal == SIGKILL) continue;
      send(signal);
      if (signal == SIGSTOP) {
        EXPECT_TRUE(eventually([&] { return is_stopped(minirun); }));
        send(SIGUSR1);
        send(SIGCONT);
        arrives(SIGUSR1);
        arrives(SIGCONT);
      } else if (signal != SIGCHLD) {
        arrives(signal);
      }
    }
    return expected;
  }

  void expect_each_once(const std::vector<std::string>& command) {
    Running one(command, {});
    ASSERT_TRUE(one.wait_for("ready\n")) << one.err();
    auto send = [&](int signal) { one.send(signal); };
    std::string expected = send_each(one.pid(), send, [&](const std::string& text) { return one.wait_for(text); });
    ASSERT_FALSE(HasFailure()) << one.out() << one.err();  // it would wait for more
    Outcome outcome = one.finish();
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.out, expected);
  }

  // SIGWINCH reports a new size, for which the kernel sends the container's side its own signal: one that is only sent
  // means nothing.
  void expect_each_once_with_a_terminal(const std::vector<std::string>& command) {
    Screen screen;
    Running one(command, screen.options());
    ASSERT_TRUE(screen.wait_for("ready\r\n")) << screen.shown();
    auto send = [&](int signal) {
      one.send(signal);
      if (signal == SIGWINCH) screen.resize(44, 122);
    };
    auto sees = [&](const std::string& text) { return screen.wait_for(on_terminal(text)); };
    one.send(SIGWINCH);
    std::string expected = send_each(one.pid(), send, sees);
    ASSERT_FALSE(HasFailure()) << screen.shown();
    EXPECT_EQ(one.finish().code, 0);
    EXPECT_TRUE(sees(expected));
    EXPECT_EQ(screen.shown(), on_terminal(expected));
  }
  static std::string on_terminal(const std::string& text) {
    std::string shown;
    for (char c : text) shown += c == '\n' ? "\r\n" : std::string(1, c);
    return shown;
  }

  // Makes a container that writes to log(), and starts it.
  void create_and_start(const std::vector<std::string>& flags) {
    bundle_.payload({"signals", "none"});
    bundle_.write();
    UniqueFd log(open(log_path().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644));
    StartOptions options;
    options.stdout_fd = options.stderr_fd = log.get();
    std::vector<std::string> args = {"create", "--pid-file", kPidFile, "--bundle", bundle_.path()};
    args.insert(args.end(), flags.begin(), flags.end());
    args.push_back(id());
    ASSERT_EQ(call(args, options).code, 0) << log_text();
    ASSERT_EQ(call({"start", id()}).code, 0) << log_text();
    log_ = "ready";
    EXPECT_TRUE(log_is_complete()) << log_text();
  }
  void kill_by(const std::string& spelling) const {
    Outcome outcome = call({"kill", id(), spelling});
    EXPECT_EQ(outcome.code, 0) << spelling << ": " << describe(outcome);
  }
  void expect_arrival(int signal, const std::string& spelling) {
    kill_by(spelling);
    log_ += "\ngot " + std::to_string(signal);
    EXPECT_TRUE(log_is_complete()) << spelling << ":\n" << log_text();
  }
  bool log_is_complete() const {
    return eventually([&] { return log_text() == log_; });
  }
  std::string log_path() const { return bundle_.path() + "/log"; }
  std::string log_text() const { return content(log_path()); }

  // By its number and by a name, where it has one.
  static std::vector<std::string> spellings(int signal) {
    std::vector<std::string> all = {std::to_string(signal)};
    if (const char* name = sigabbrev_np(signal)) all.push_back("SIG" + std::string(name));
    if (signal >= SIGRTMIN) all.push_back("RTMIN+" + std::to_string(signal - SIGRTMIN));
    if (signal >= SIGRTMIN) all.push_back("RTMAX-" + std::to_string(SIGRTMAX - signal));
    return all;
  }

  std::string log_;
};

TEST_F(EverySignal, SentToARunReachesTheWorkloadOnce) {
  bundle_.payload(payload_args());
  expect_each_once(run_command(bundle_));
}

TEST_F(EverySignal, SentToARunWithoutInitReachesTheWorkloadOnce) {
  bundle_.payload(payload_args());
  expect_each_once(run_command(bundle_, {"--no-init"}));
}

TEST_F(EverySignal, SentToARunWithATerminalReachesTheWorkloadOnce) {
  bundle_.payload(payload_args());
  bundle_.config["process"]["terminal"] = true;
  expect_each_once_with_a_terminal(run_command(bundle_));
  expect_each_once_with_a_terminal(run_command(bundle_, {"--no-init"}));
}

TEST_F(EverySignal, SentToAnExecReachesItsProcessOnce) {
  start();
  std::vector<std::string> command = payload_args();
  command.insert(command.begin(), "/bin/payload");
  expect_each_once(exec_command({}, command));
  end();
}

TEST_F(EverySignal, SentToAnExecWithATerminalReachesItsProcessOnce) {
  start();
  std::vector<std::string> command = payload_args();
  command.insert(command.begin(), "/bin/payload");
  expect_each_once_with_a_terminal(exec_command({"-t"}, command));
  end();
}

TEST_F(EverySignal, OfKillReachesAWorkloadThatIsPid1OnceByNumberAndName) {
  ASSERT_NO_FATAL_FAILURE(create_and_start({}));
  for (int signal = 1; signal <= kLast && !HasFailure(); ++signal) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    for (const std::string& spelling : spellings(signal)) expect_arrival(signal, spelling);
  }
  for (const std::string& spelling : spellings(SIGSTOP)) {
    kill_by(spelling);
    EXPECT_TRUE(eventually([&] { return is_stopped(container_pid()); })) << spelling;
    expect_arrival(SIGCONT, "CONT");
  }
  kill_by("KILL");
  EXPECT_TRUE(eventually([&] { return call({"state", id()}).out.find("\"stopped\"") != std::string::npos; }));
  EXPECT_EQ(call({"delete", id()}).code, 0);
  EXPECT_TRUE(log_is_complete()) << log_text();
}

// SIGSTOP and SIGCONT: Kill.StopAndContinueAreForTheWorkloadNotItsInit.
TEST_F(EverySignal, OfKillIsHandedOnOnceByAnInit) {
  ASSERT_NO_FATAL_FAILURE(create_and_start({"--init"}));
  for (int signal = 1; signal <= kLast && !HasFailure(); ++signal) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    if (signal == SIGCHLD)
      kill_by("CHLD");  // the init's own
    else
      expect_arrival(signal, std::to_string(signal));
  }
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_TRUE(log_is_complete()) << log_text();
}

// The workload's session has no shell that could continue it, so the kernel stops none of its processes without a
// handler for the terminal's signals. Neither minirun nor the init stops. The last signal reaches a running workload.
TEST_F(EverySignal, WithoutAHandlerNoStopOfATerminalStopsAnybody) {
  bundle_.payload({"pause"});
  Running container(run_command(bundle_), {});
  ASSERT_TRUE(container.wait_for("ready\n")) << container.err();
  for (int signal : {SIGTSTP, SIGTTIN, SIGTTOU, SIGCHLD, SIGURG, SIGWINCH, SIGRTMAX}) container.send(signal);
  Outcome outcome = container.finish();
  EXPECT_EQ(outcome.code, 128 + SIGRTMAX) << describe(outcome);
}

}  // namespace
}  // namespace minirun::testing
