// SPDX-License-Identifier: Apache-2.0
// Ailments of limits: each is found in a container that has hit one, and not in one that is far from it.
#include <cstdlib>

#include "tests/support/doctor_fixture.h"
#include "tests/support/swap_device.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class DoctorLimits : public Doctor {
 protected:
  json& resources() { return bundle_.config["linux"]["resources"]; }
  void limit_all() {
    if (has_controller("memory")) resources()["memory"] = {{"limit", 64 << 20}, {"swap", 64 << 20}};
    if (has_controller("cpu")) resources()["cpu"] = {{"quota", 50000}, {"period", 100000}};
    if (has_controller("pids")) resources()["pids"] = {{"limit", 30}};
  }
};

TEST_F(DoctorLimits, NothingIsFoundFarFromThem) {
  REQUIRE_CONTROLLER("memory");
  limit_all();
  ail({"healthy"});
  EXPECT_EQ(rules(), "");
  end();
}

TEST_F(DoctorLimits, AQuotaThatThrottles) {
  REQUIRE_CONTROLLER("cpu");
  resources()["cpu"] = {{"quota", 10000}, {"period", 50000}};
  ail({"busy", "1"});
  EXPECT_TRUE(eventually([&] { return rules("1s").find("cpu-quota") != std::string::npos; }, 20000));
  json found = finding("cpu-quota", "1s");
  EXPECT_EQ(found["numbers"]["quota_cpus"], 0.2) << found;
  EXPECT_GE(found["numbers"]["throttled_percent"], 10) << found;
  Outcome outcome = call({"top", "--once", "--delay", "1", "--format", "json", id()});
  json row = json::parse(outcome.out, nullptr, false)["containers"][0];
  EXPECT_EQ(row["cpu_quota_percent"], 20) << outcome.out;
  EXPECT_GT(row["throttled_percent"], 10) << outcome.out;
  end();
}

TEST_F(DoctorLimits, MemoryThatIsNearlyUsedUp) {
  REQUIRE_CONTROLLER("memory");
  resources()["memory"] = {{"limit", 64 << 20}, {"swap", 64 << 20}};
  bundle_.payload({"hog", std::to_string(60 << 20)});
  ASSERT_EQ(detach(bundle_).code, 0);
  EXPECT_TRUE(eventually([&] { return rules().find("memory-limit") != std::string::npos; }, 20000)) << examine();
  json found = finding("memory-limit");
  EXPECT_EQ(found["numbers"]["limit_bytes"], 64 << 20) << found;
  EXPECT_NE(found["text"].get<std::string>().find("payload"), std::string::npos) << found;
  Outcome outcome = call({"top", "--once", "-d", "0.1", "-f", "json", id()});
  json row = json::parse(outcome.out, nullptr, false)["containers"][0];
  EXPECT_EQ(schema_problem(top_schema(), json::parse(outcome.out, nullptr, false)), "") << outcome.out;
  EXPECT_EQ(row["memory_limit_bytes"], 64 << 20) << outcome.out;
  EXPECT_EQ(row["oom_kills"], 0) << outcome.out;
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(DoctorLimits, AnOomKillThatTheMainProcessSurvives) {
  REQUIRE_CONTROLLER("memory");
  resources()["memory"] = {{"limit", 48 << 20}, {"swap", 48 << 20}};
  ail({"healthy"});
  Outcome killed = call({"exec", id(), "/bin/payload", "hog", std::to_string(256 << 20)});
  ASSERT_EQ(killed.code, 137) << describe(killed);
  json found = finding("memory-limit");
  EXPECT_EQ(found["numbers"]["oom_kills"], 1) << found;
  EXPECT_NE(found["text"].get<std::string>().find("the container's own limit of 48 MiB"), std::string::npos) << found;
  end();
}

TEST_F(DoctorLimits, MemoryThatIsWaitedFor) {
  REQUIRE_CONTROLLER("memory");
  resources()["unified"] = {{"memory.high", std::to_string(8 << 20)}};
  bundle_.payload({"hog", std::to_string(512 << 20)});
  ASSERT_EQ(detach(bundle_).code, 0);
  if (content(cgroup() + "/memory.pressure") == "(none)") {
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    GTEST_SKIP() << "no pressure is measured here";
  }
  EXPECT_TRUE(eventually([&] { return rules("1s").find("memory-pressure") != std::string::npos; }, 20000)) << examine();
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(DoctorLimits, MemoryInSwap) {
  REQUIRE_CONTROLLER("memory");
  if (getenv("MINIRUN_TESTS_OWN_MACHINE") == nullptr) GTEST_SKIP() << "swap is the whole machine's";
  SwapDevice swap;
  if (!swap.problem().empty()) GTEST_SKIP() << swap.problem();
  resources()["memory"] = {{"limit", 16 << 20}, {"swap", 28 << 20}};
  bundle_.payload({"hog", std::to_string(8 << 20)});
  ASSERT_EQ(detach(bundle_).code, 0);
  EXPECT_EQ(rules().find("swap"), std::string::npos) << examine();
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  bundle_.payload({"hog", std::to_string(24 << 20)});
  ASSERT_EQ(detach(bundle_).code, 0);
  EXPECT_TRUE(eventually([&] { return rules().find("swap") != std::string::npos; }, 20000)) << examine();
  json numbers;
  auto is_settled = [&] { return (numbers = finding("swap")["numbers"])["swap_bytes"] >= 8 << 20; };
  EXPECT_TRUE(eventually(is_settled, 20000)) << numbers;
  EXPECT_LE(numbers["swap_bytes"], 12 << 20) << numbers;
  EXPECT_GE(numbers["percent"], 30) << numbers;
  Outcome outcome = call({"top", "--once", "-d", "0.1", "-f", "json", id()});
  EXPECT_GE(json::parse(outcome.out, nullptr, false)["containers"][0]["swap_bytes"], 8 << 20) << outcome.out;
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(DoctorLimits, PidsThatRunOut) {
  REQUIRE_CONTROLLER("pids");
  resources()["pids"] = {{"limit", 30}};
  ail({"processes", "5"});
  EXPECT_EQ(rules(), "");
  end();
  ail({"zombies", "29"});
  json found = finding("pids-limit");
  EXPECT_EQ(found["numbers"]["tasks"], 31) << found;
  EXPECT_EQ(found["numbers"]["zombies"], 29) << found;
  EXPECT_EQ(finding("zombies")["numbers"]["zombies"], 29);
  end();
}

TEST_F(DoctorLimits, ForksThatAreRefused) {
  REQUIRE_CONTROLLER("pids");
  resources()["pids"] = {{"limit", 12}};
  ail({"healthy"});
  Outcome bomb = call({"exec", id(), "/bin/payload", "forkbomb", "100"});
  ASSERT_EQ(bomb.code, 0) << describe(bomb);
  EXPECT_EQ(rules(), "pids-limit");
  EXPECT_GE(finding("pids-limit")["numbers"]["refused"], 1);
  end();
}

}  // namespace
}  // namespace minirun::testing
