// SPDX-License-Identifier: Apache-2.0
// minirun is killed, or the launch fails, at any moment: what it made can be found and is removed.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <functional>

#include "tests/support/descriptors.h"
#include "tests/support/fixture.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using Clock = std::chrono::steady_clock;

class Crash : public MinirunTest {
 protected:
  // How long a start takes here.
  long start_us(Bundle& bundle) {
    auto start = Clock::now();
    Running container(run_command(bundle), {});
    EXPECT_TRUE(container.wait_for("ready")) << container.err();
    auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count();
    container.send(SIGTERM);
    container.finish();
    return took;
  }
  // Sends the signals, each after each of many delays, from none to a little more than a start takes; afterwards, with
  // what `check` does, all must be as before.
  using Check = std::function<void(int signal, const Outcome& outcome, const std::string& when)>;
  void interrupt_at_many_moments(const std::vector<int>& signals, int moments, const std::vector<std::string>& flags,
                                 const StartOptions& options, const Check& check) {
    Bundle bundle;
    bundle.payload({"pause"});
    long whole = start_us(bundle);
    Traces before = take_traces();
    for (int signal : signals) {
      for (int moment = 0; moment < moments; ++moment) {
        long delay = whole * 12 / 10 * moment / moments;
        Running container(run_command(bundle, flags), options);
        usleep(static_cast<useconds_t>(delay));
        container.send(signal);
        Outcome outcome = container.finish();
        std::string when = fmt::format("when interrupted by signal {} after {} us of {}", signal, delay, whole);
        check(signal, outcome, when);
        ASSERT_NO_FATAL_FAILURE(expect_as_before(before, when));
      }
    }
  }
  void kill_at_many_moments(const std::vector<std::string>& flags, const StartOptions& options = {}) {
    interrupt_at_many_moments({SIGKILL}, slowness() > 1 ? 20 : 60, flags, options,
                              [&](int, const Outcome& outcome, const std::string& when) {
                                EXPECT_NE(outcome.code, kTimedOut) << when << ": " << describe(outcome);
                                Outcome removed = call({"delete", "--force", id()});
                                EXPECT_EQ(removed.code, 0) << when << ": " << describe(removed);
                              });
  }
};

TEST_F(Crash, KilledAtAnyMomentOfARunLeavesNothingThatDeleteDoesNotFind) {
  kill_at_many_moments({});
}

TEST_F(Crash, KilledAtAnyMomentOfADetachedRun) {
  kill_at_many_moments({"--detach"});
}

// With a socket in a folder of its own beside the record, and waiting for READY=1 in the end.
TEST_F(Crash, KilledAtAnyMomentWithANotifySocket) {
  constexpr const char* kHost = "/run/tests/host-notify";
  UniqueFd host = listen_at(kHost, SOCK_DGRAM);
  StartOptions options;
  options.env.push_back(std::string("NOTIFY_SOCKET=") + kHost);
  kill_at_many_moments({"--detach"}, options);
  EXPECT_EQ(unlink(kHost), 0);
}

// Whatever it was at, minirun itself takes everything away and says which signal it was; before it holds signals back
// it has made nothing.
TEST_F(Crash, AskedToEndAtAnyMomentOfARun) {
  interrupt_at_many_moments({SIGTERM, SIGINT, SIGHUP, SIGQUIT}, slowness() > 1 ? 8 : 40, {}, {},
                            [](int signal, const Outcome& outcome, const std::string& when) {
                              EXPECT_TRUE(outcome.code == 128 + signal || outcome.code == -signal)
                                  << when << ": " << describe(outcome);
                            });
}

// Many at once, from before the first system call to the end.
TEST_F(Crash, StormOfSignalsDuringARun) {
  Bundle bundle;
  bundle.payload({"pause"});
  Traces before = take_traces();
  constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGWINCH, SIGCONT, SIGALRM, SIGPIPE};
  unsigned number = 1;
  for (int round = 0; round < (slowness() > 1 ? 5 : 30); ++round) {
    Running container(run_command(bundle), {});
    for (int sent = 0; sent < 100; ++sent) {
      number = number * 1103515245 + 12345;
      container.send(kSignals.at((number >> 16) % kSignals.size()));
      usleep(700);
    }
    Outcome outcome = container.finish();
    EXPECT_TRUE(outcome.code > 128 || outcome.code < 0) << describe(outcome);
    EXPECT_NE(outcome.code, kTimedOut);
    ASSERT_NO_FATAL_FAILURE(expect_as_before(before, "after round " + std::to_string(round)));
  }
}

TEST_F(Crash, RunOutOfDescriptorsIsAnErrorNotAHang) {
  Bundle bundle;
  bundle.payload({"true"});
  for (rlim_t most = 3; most <= 40; ++most) {
    StartOptions options;
    options.in_child = [most] {
      rlimit limit{most, most};
      if (setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(97);
    };
    Outcome outcome = run(bundle, {}, options);
    EXPECT_TRUE(outcome.code == 0 || outcome.code == 1) << most << " descriptors: " << describe(outcome);
    EXPECT_EQ(outcome.err.empty(), outcome.code == 0) << most << " descriptors: " << describe(outcome);
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  }
}

TEST_F(Crash, StateOfAContainerThatDiedCanBeDeleted) {
  Bundle bundle;
  bundle.payload({"true"});
  EXPECT_EQ(detach(bundle).code, 0);
  EXPECT_TRUE(eventually([&] { return call({"delete", id()}).code == 0; }));
}

}  // namespace
}  // namespace minirun::testing
