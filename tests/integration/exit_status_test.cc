// SPDX-License-Identifier: Apache-2.0
// How a workload ended is how minirun ends: every code, and every signal that ends a process.
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "tests/support/exec_fixture.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

class ExitStatus : public ExecTest {
 protected:
  // All whose default action is the end of the process (signal(7)), and of the real-time ones the ends, one between,
  // and the two that libc keeps for itself.
  static std::vector<int> fatal_signals() {
    std::vector<int> all;
    for (int signal = 1; signal < 32; ++signal) {
      bool ignored = signal == SIGCHLD || signal == SIGCONT || signal == SIGURG || signal == SIGWINCH;
      bool stops = signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
      if (!ignored && !stops) all.push_back(signal);
    }
    for (int signal : {32, 33, SIGRTMIN, 50, SIGRTMAX}) all.push_back(signal);
    return all;
  }
  static int step() { return slowness() > 1 ? 15 : 1; }  // between the exit codes that are tried; 255 is one of them
  static std::string name_of(int signal) {
    const char* name = sigabbrev_np(signal);
    return name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(signal);
  }
  static bool looks_like_a_crash(int code) {
    for (int signal : {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGSEGV, SIGSTKFLT, SIGSYS})
      if (code == 128 + signal) return true;
    return false;
  }
  void expect_death_is_told(int signal, const std::vector<std::string>& flags) {
    bundle_.payload({"die-by", std::to_string(signal)});
    Outcome outcome = run(bundle_, flags);
    EXPECT_EQ(outcome.code, 128 + signal) << describe(outcome);
    EXPECT_NE(outcome.err.find(name_of(signal)), std::string::npos) << describe(outcome);
  }
};

TEST_F(ExitStatus, EveryCodeComesBackFromARun) {
  for (int code = 0; code < 256; code += step()) {
    bundle_.payload({"exit", std::to_string(code)});
    Outcome outcome = run(bundle_);
    EXPECT_EQ(outcome.code, code) << describe(outcome);
    std::string line = "minirun: " + id() + ": ended with code " + std::to_string(code) + ", as shells report " +
                       name_of(code - 128) + "\n";
    EXPECT_EQ(outcome.err, looks_like_a_crash(code) ? line : "");
  }
}

TEST_F(ExitStatus, CodesComeBackWithoutInit) {
  for (int code : {0, 1, 42, 126, 127, 128, 129, 255}) {
    bundle_.payload({"exit", std::to_string(code)});
    Outcome outcome = run(bundle_, {"--no-init"});
    EXPECT_EQ(outcome.code, code) << describe(outcome);
  }
}

TEST_F(ExitStatus, EveryCodeComesBackFromAnExec) {
  start();
  for (int code = 0; code < 256; code += step()) {
    Outcome outcome = exec({}, {"/bin/payload", "exit", std::to_string(code)});
    EXPECT_EQ(outcome.code, code) << describe(outcome);
  }
  end();
}

TEST_F(ExitStatus, DeathByASignalIs128PlusItsNumberAndIsTold) {
  for (int signal : fatal_signals()) expect_death_is_told(signal, {});
}

// Without a pid namespace, too: a process can not end its namespace's first one, not even that itself.
TEST_F(ExitStatus, DeathByASignalIs128PlusItsNumberWithoutInit) {
  bundle_.drop_namespace("pid");
  for (int signal : fatal_signals()) expect_death_is_told(signal, {"--no-init"});
}

TEST_F(ExitStatus, DeathByASignalIs128PlusItsNumberFromAnExec) {
  start();
  for (int signal : fatal_signals()) {
    Outcome outcome = exec({}, {"/bin/payload", "die-by", std::to_string(signal)});
    EXPECT_EQ(outcome.code, 128 + signal) << describe(outcome);
  }
  end();
}

TEST_F(ExitStatus, FaultsEndPid1AsAnyProcess) {
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    for (int signal : {SIGSEGV, SIGBUS}) {
      bundle_.payload({"fault", signal == SIGBUS ? "bus" : "segv"});
      Outcome outcome = run(bundle_, flags);
      EXPECT_EQ(outcome.code, 128 + signal) << describe(outcome);
      EXPECT_NE(outcome.err.find("crashed: " + name_of(signal)), std::string::npos) << describe(outcome);
    }
  }
}

// The kernel keeps from a pid namespace's first process what it has no handler for, but for SIGKILL.
TEST_F(ExitStatus, Pid1WithoutHandlersEndsBySigkillAlone) {
  bundle_.payload({"pause"});
  Running container(run_command(bundle_, {"--no-init"}), {});
  ASSERT_TRUE(container.wait_for("ready\n")) << container.err();
  // By `kill`, which has sent it when it returns.
  for (int signal : fatal_signals()) {
    if (signal == SIGKILL) continue;
    EXPECT_EQ(call({"kill", id(), std::to_string(signal)}).code, 0) << signal;
  }
  EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
  Outcome outcome = container.finish();
  EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
}

}  // namespace
}  // namespace minirun::testing
