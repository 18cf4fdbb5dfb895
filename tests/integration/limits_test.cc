// SPDX-License-Identifier: Apache-2.0
// Limits are proven, not assumed: what runs against one is seen to be held to it.
#include <fcntl.h>
#include <signal.h>

#include <sstream>

#include "tests/support/fixture.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

class Limits : public MinirunTest {};

TEST_F(Limits, MemoryHogIsKilledAtItsLimit) {
  REQUIRE_CONTROLLER("memory");
  Bundle bundle;
  bundle.payload({"hog", "268435456"});
  bundle.config["linux"]["resources"]["memory"] = {{"limit", 33554432}, {"swap", 33554432}};
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("32 MiB"), std::string::npos) << outcome.err;
}

TEST_F(Limits, HogBelowItsMemoryLimitLives) {
  REQUIRE_CONTROLLER("memory");
  Bundle bundle;
  bundle.payload({"hog", "16777216"});
  bundle.config["linux"]["resources"]["memory"] = {{"limit", 33554432}, {"swap", 33554432}};
  Running container(run_command(bundle), {});
  EXPECT_TRUE(container.wait_for("touched")) << container.err();
  container.send(SIGTERM);
  container.finish();
}

// minirun's own processes are the user's too, and may be one too many for a clone (setrlimit(2)).
TEST_F(Limits, OneProcessStartsTheWorkloadOfAnyUser) {
  Bundle bundle;
  bundle.config["process"]["rlimits"] = {{{"type", "RLIMIT_NPROC"}, {"soft", 1}, {"hard", 1}}};
  for (unsigned uid : {0u, 4321u}) {
    bundle.config["process"]["user"] = {{"uid", uid}, {"gid", uid}};
    bundle.payload({"exit", "5"});
    EXPECT_EQ(run(bundle).code, 5) << uid;
    EXPECT_EQ(run(bundle, {"--no-init"}).code, 5) << uid;
    bundle.payload({"pause"});
    for (bool init : {false, true}) {
      std::vector<std::string> args = {"create", "--bundle", bundle.path(), id()};
      if (init) args.insert(args.begin() + 1, "--init");
      UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
      StartOptions silent;
      silent.stdout_fd = silent.stderr_fd = nowhere.get();
      bundle.write();
      EXPECT_EQ(call(args, silent).code, 0) << init << " " << uid;
      EXPECT_EQ(call({"start", id()}).code, 0) << init << " " << uid;
      EXPECT_EQ(call({"exec", id(), "/bin/payload", "exit", "6"}).code, 6) << init << " " << uid;
      EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    }
  }
  EXPECT_EQ(report(bundle)["rlimits"]["RLIMIT_NPROC"], nlohmann::json({1, 1}));
}

TEST_F(Limits, BurnerGetsItsQuotaWithinTenPercent) {
  REQUIRE_CONTROLLER("cpu");
  for (int percent : {20, 50}) {
    Bundle bundle;
    bundle.payload({"burn", "4"});
    bundle.config["linux"]["resources"]["cpu"] = {{"quota", percent * 1000}, {"period", 100000}};
    Outcome outcome = run(bundle);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    std::istringstream figures(outcome.out);
    double used_us = 0;
    double wall_us = 1;
    figures >> used_us >> wall_us;
    double share = 100 * used_us / wall_us;
    EXPECT_NEAR(share, percent, percent * 0.1) << outcome.out;
  }
}

TEST_F(Limits, ForkBombStopsAtPidsMax) {
  REQUIRE_CONTROLLER("pids");
  Bundle bundle;
  bundle.payload({"forkbomb", "1000"});
  bundle.config["linux"]["resources"]["pids"] = {{"limit", 20}};
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    Outcome outcome = run(bundle, flags);
    // The bomb itself is one of the 20; 11 is EAGAIN.
    EXPECT_EQ(outcome.out, "forked 19 errno 11\n") << describe(outcome);
  }
}

TEST_F(Limits, OneProcessIsEnoughForAWorkloadThatDoesNotFork) {
  REQUIRE_CONTROLLER("pids");
  Bundle bundle;
  bundle.payload({"forkbomb", "1000"});
  bundle.config["linux"]["resources"]["pids"] = {{"limit", 1}};
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.out, "forked 0 errno 11\n") << describe(outcome);
}

TEST_F(Limits, TinyMemoryLimitStillStarts) {
  REQUIRE_CONTROLLER("memory");
  Bundle bundle;
  bundle.payload({"exit", "7"});
  bundle.config["linux"]["resources"]["memory"] = {{"limit", 1 << 20}};
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 7) << describe(outcome);
}

TEST_F(Limits, MemoryLimitTooSmallForAnyProcessIsExplained) {
  REQUIRE_CONTROLLER("memory");
  Bundle bundle;
  bundle.payload({"true"});
  bundle.config["linux"]["resources"]["memory"] = {{"limit", 4096}};
  Outcome outcome = run(bundle);
  EXPECT_NE(outcome.code, 0);
  EXPECT_NE(outcome.code, kTimedOut);
  EXPECT_NE(outcome.err.find("memory"), std::string::npos) << describe(outcome);
}

}  // namespace
}  // namespace minirun::testing
