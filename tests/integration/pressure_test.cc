// SPDX-License-Identifier: Apache-2.0
// Containers that have less than they need, or take all that they are given: each of them is started or refused with a
// reason, and can be removed. What was tried is counted on standard output.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>

#include "tests/support/fixture.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using Clock = std::chrono::steady_clock;

class Pressure : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    alarm(600 * static_cast<unsigned>(slowness()));
    before_ = take_traces();
  }
  void expect_nothing_left(const std::string& after) { expect_as_before(before_, "after " + after); }
  Traces before_;
};

class ForkBomb : public Pressure {
 protected:
  // Starts it, lets it fill its cgroup, and removes it.
  void defuse(Bundle& bundle, const std::vector<std::string>& flags) {
    constexpr int kMost = 200;
    bundle.payload({"bomb"});
    bundle.config["linux"]["resources"]["pids"] = {{"limit", kMost}};
    // It gets its share of the processors, and what is not in it gets another: as on hosts where a service manager has
    // the cpu controller enabled. Otherwise it is the start of any program that takes long.
    if (has_controller("cpu")) bundle.config["linux"]["resources"]["cpu"] = {{"shares", 1024}};
    ASSERT_EQ(detach(bundle, flags).code, 0);
    std::string cgroup = "/sys/fs/cgroup/minirun-" + id();
    ASSERT_TRUE(eventually([&] { return atoi(content(cgroup + "/pids.current").c_str()) >= kMost - 1; }, 20000))
        << content(cgroup + "/pids.current");
    auto start = Clock::now();
    Outcome outcome = call({"delete", "--force", id()});
    long ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count();
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_LT(ms, 5000 * slowness());
    longest_ms_ = std::max(longest_ms_, ms);
    expect_nothing_left("a fork bomb");
    ++defused_;
  }
  long longest_ms_ = 0;
  int defused_ = 0;
};

TEST_F(ForkBomb, IsDeletedWithinFiveSeconds) {
  REQUIRE_CONTROLLER("pids");
  constexpr int kRounds = 2;
  for (int i = 0; i < kRounds && !HasFailure(); ++i) {
    Bundle plain, shared;
    defuse(plain, {});
    defuse(plain, {"--no-init"});
    // The end of one does not end the others.
    shared.drop_namespace("pid");
    defuse(shared, {});
    defuse(shared, {"--no-init"});
  }
  std::cout << "fork bombs deleted with nothing left: " << defused_ << " of " << 4 * kRounds << ", the slowest in "
            << longest_ms_ << " ms\n";
}

class MemoryMax : public Pressure {
 protected:
  // From one page to where all is well; each of them, or each second.
  static std::vector<long> limits(size_t each) {
    constexpr long kPage = 4096;
    std::vector<long> pages;
    for (long n = 1; n < 16; ++n) pages.push_back(n * kPage);
    for (long n = 16; n < 64; n += 2) pages.push_back(n * kPage);
    for (long n = 64; n <= 1024; n += n / 4) pages.push_back(n * kPage);
    std::vector<long> some;
    for (size_t i = 0; i < pages.size(); i += each) some.push_back(pages[i]);
    return some;
  }
  // It ran and has its status, or a line says that it lacked memory.
  void judge(long limit, const Outcome& outcome, int good = 7) {
    ++tried_;
    if (outcome.code == good && outcome.err.empty()) {
      ++ran_;
      return;
    }
    EXPECT_GT(outcome.code, 0) << limit << ": " << describe(outcome);
    EXPECT_NE(outcome.err.find("memory"), std::string::npos) << limit << ": " << describe(outcome);
  }
  void sweep(const std::string& what, size_t each, const std::function<void(Bundle&)>& attempt) {
    for (long limit : limits(each)) {
      Bundle bundle;
      bundle.payload({"exit", "7"});
      bundle.config["linux"]["resources"]["memory"] = {{"limit", limit}, {"swap", limit}};
      auto start = Clock::now();
      limit_ = limit;
      attempt(bundle);
      longest_ms_ =
          std::max(longest_ms_, std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count());
      expect_nothing_left(fmt::format("{} with {} bytes", what, limit));
      if (HasFailure()) break;
    }
    std::cout << "memory.max from one page upwards, " << what << ": " << tried_ << " of " << limits(each).size()
              << ", of which " << ran_ << " ran, the slowest in " << longest_ms_ << " ms\n";
  }
  long limit_ = 0;
  long longest_ms_ = 0;
  int tried_ = 0, ran_ = 0;
};

TEST_F(MemoryMax, OfRunIsEnoughOrAReason) {
  REQUIRE_CONTROLLER("memory");
  sweep("run", 1, [&](Bundle& bundle) { judge(limit_, run(bundle)); });
}

TEST_F(MemoryMax, OfRunWithoutInitIsEnoughOrAReason) {
  REQUIRE_CONTROLLER("memory");
  sweep("run --no-init", 2, [&](Bundle& bundle) { judge(limit_, run(bundle, {"--no-init"})); });
}

TEST_F(MemoryMax, OfRunDetachedIsEnoughOrAReason) {
  REQUIRE_CONTROLLER("memory");
  sweep("run --detach", 2, [&](Bundle& bundle) {
    Outcome outcome = detach(bundle);
    judge(limit_, outcome, 0);
    if (outcome.code != 0) return;
    outcome = call({"delete", "--force", id()});
    EXPECT_EQ(outcome.code, 0) << limit_ << ": " << describe(outcome);
  });
}

// A process that joins a container whose memory is in use up to its last pages.
TEST_F(MemoryMax, OfAFullContainerLetsExecInOrSaysWhy) {
  REQUIRE_CONTROLLER("memory");
  constexpr long kPage = 4096, kLimit = 1024 * kPage;
  constexpr int kSteps = 12;
  for (int step = 0; step < kSteps && !HasFailure(); ++step) {
    Bundle bundle;
    bundle.payload({"hog", std::to_string(kLimit - (8 + 16 * step) * kPage)});
    bundle.config["linux"]["resources"]["memory"] = {{"limit", kLimit}, {"swap", kLimit}};
    Outcome outcome = detach(bundle);
    if (outcome.code != 0) {
      EXPECT_NE(outcome.err.find("memory"), std::string::npos) << describe(outcome);
    } else {
      outcome = call({"exec", id(), "/bin/payload", "exit", "7"});
      // The hog may have been killed meanwhile, or before.
      bool gone = outcome.err.find("stopped container") != std::string::npos;
      if (!gone) judge(8 + 16 * step, outcome);
      EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    }
    expect_nothing_left(fmt::format("an exec at step {}", step));
  }
  std::cout << "exec into a container with little memory left: " << tried_ << " of " << tried_ << ", of which " << ran_
            << " ran\n";
}

}  // namespace
}  // namespace minirun::testing
