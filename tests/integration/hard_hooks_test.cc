// SPDX-License-Identifier: Apache-2.0
// Hooks of all six kinds that hang, flood or close their pipes, and fork: timeouts are kept, minirun does not wait for
// the pipes, and of a hook that fails nothing is left.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>

#include "tests/support/hook_fixture.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr const char* kOnTheHost[] = {"prestart", "createRuntime", "poststart", "poststop"};

class HardHooks : public HookTest {
 protected:
  void SetUp() override {
    HookTest::SetUp();
    workload("exit 0");
  }
  void add(const std::string& kind, const std::string& script, int timeout = 0) {
    json hook = shell(script);
    if (timeout > 0) hook["timeout"] = timeout;
    HookTest::add(kind, hook);
  }
  // Runs the bundle within the time. That of a poststop hook is a warning, any other a refusal.
  void expect_told(const std::string& kind, const std::vector<std::string>& texts, int most_seconds) {
    auto began = Clock::now();
    Outcome outcome = run(bundle_);
    EXPECT_LT(Clock::now() - began, std::chrono::seconds(most_seconds * slowness()));
    EXPECT_EQ(outcome.code, kind == "poststop" ? 0 : 1) << describe(outcome);
    EXPECT_EQ(outcome.err.find("warning: ") != std::string::npos, kind == "poststop") << outcome.err;
    EXPECT_NE(outcome.err.find(fmt::format("/hooks/{}/0: ", kind)), std::string::npos) << outcome.err;
    for (const std::string& text : texts) EXPECT_NE(outcome.err.find(text), std::string::npos) << outcome.err;
    EXPECT_LT(outcome.err.size(), 6000U);
    expect_refused(call({"state", id()}), {"container does not exist"});
  }
};

// That its grandchildren are gone, in whatever session, the fixture sees.
TEST_F(HardHooks, TimeoutHoldsForThoseThatDoAllToLiveOn) {
  for (const std::string kind : kAllHooks) {
    SCOPED_TRACE(kind);
    bundle_.config["hooks"] = json::object();
    workload(kind == "poststop" ? "exit 0" : "exec /bin/busybox sleep 1000");
    add(kind,
        "trap '' TERM HUP INT; exec <&- >&- 2>&-; "
        "$b setsid $b sh -c 'b=/bin/busybox; trap \"\" TERM HUP; $b setsid $b sleep 1000 & "
        "$b sh -c \"kill -STOP \\$\\$\" & while :; do $b sleep 0.01; done' & kill -STOP $$",
        1);
    expect_told(kind, {"did not end within 1 s"}, 10);
  }
}

TEST_F(HardHooks, FloodOfAFailedOneIsCutAndItsWritersAreKilled) {
  for (const std::string kind : kAllHooks) {
    SCOPED_TRACE(kind);
    bundle_.config["hooks"] = json::object();
    workload(kind == "poststop" ? "exit 0" : "exec /bin/busybox sleep 1000");
    // The pipe stays open, and full, in a session of its own.
    add(kind,
        "$b setsid $b sh -c 'while :; do echo more; done' & $b yes flood | $b head -c 2000000; "
        "$b yes flood | $b head -c 2000000 >&2; exit 3",
        60);
    expect_told(kind, {"exit status 3"}, 20);
  }
}

TEST_F(HardHooks, MegabytesOfOutputAreNoFailure) {
  for (const std::string kind : kAllHooks)
    add(kind, "$b yes flood | $b head -c 2000000; $b yes flood | $b head -c 2000000 >&2; echo " + kind + " >> log", 60);
  // poststart hooks run beside the workload.
  workload("b=/bin/busybox; until $b grep -q poststart /b/log; do $b sleep 0.01; done; exit 7");
  Outcome outcome = run(bundle_);
  EXPECT_EQ(outcome.code, 7) << describe(outcome);
  EXPECT_EQ(outcome.err.find("hook"), std::string::npos) << outcome.err.substr(0, 1000);
  EXPECT_EQ(content(bundle_.path() + "/log"),
            "prestart\ncreateRuntime\ncreateContainer\nstartContainer\npoststart\npoststop");
}

// Without having read the state, and with a process that keeps the pipes open: those on the host live on, as the daemon
// that a network hook starts; those in the container go with it.
TEST_F(HardHooks, PipesThatAreClosedOrKeptOpenHoldNobodyUp) {
  for (const std::string kind : kAllHooks) {
    add(kind, "exec <&- >&- 2>&-; exit 0", 60);
    add(kind, fmt::format("$b setsid $b sleep 1000 & echo $! > {}.daemon; exit 0", kind), 60);
  }
  auto began = Clock::now();
  Outcome outcome = run(bundle_);
  EXPECT_LT(Clock::now() - began, std::chrono::seconds(10 * slowness()));
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  for (const std::string kind : kOnTheHost) {
    pid_t daemon = atoi(content(bundle_.path() + "/" + kind + ".daemon").c_str());
    ASSERT_GT(daemon, 1) << kind;
    EXPECT_EQ(kill(daemon, SIGKILL), 0) << kind;
  }
}

}  // namespace
}  // namespace minirun::testing
