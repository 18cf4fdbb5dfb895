// SPDX-License-Identifier: Apache-2.0
// The exit report of workloads that reach limits.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "sys/file.h"
#include "tests/support/report_fixture.h"
#include "tests/support/scaled_time.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

constexpr int kLimit = 32 << 20;
constexpr const char* kHog = "268435456";

class ReportLimits : public ReportTest {
 protected:
  void limit_memory() { bundle_.config["linux"]["resources"]["memory"] = {{"limit", kLimit}, {"swap", kLimit}}; }
  // Its child is killed for memory, and it lives on until SIGTERM.
  void lose_a_child() {
    bundle_.config["process"]["args"] = {
        "/bin/sh", "-c",
        std::string("/bin/payload hog ") + kHog + "; trap 'exit 5' TERM; echo lost; while :; do sleep 0.1; done"};
  }
};

TEST_F(ReportLimits, OwnMemoryLimit) {
  REQUIRE_CONTROLLER("memory");
  limit_memory();
  bundle_.payload({"hog", kHog});
  json report = report_of(137);
  EXPECT_EQ(report["cause"], "oom");
  EXPECT_EQ(report["oom"], json({{"kills", 1}, {"main", true}, {"limit", "own"}}));
  EXPECT_EQ(report["memory"]["limit_bytes"], kLimit);
  if (report["memory"].contains("peak_bytes")) {  // Linux 5.19
    EXPECT_GT(report["memory"]["peak_bytes"], kLimit / 2);
  }
  EXPECT_NE(outcome_.err.find("killed by the memory limit: memory.max 32 MiB"), std::string::npos) << outcome_.err;
}

TEST_F(ReportLimits, LimitOfAnAncestorIsNamedByItsCgroup) {
  REQUIRE_CONTROLLER("memory");
  const std::string root = "/sys/fs/cgroup", above = "/pod-" + id();
  ASSERT_TRUE(write_control(AT_FDCWD, root + "/cgroup.subtree_control", "+memory").ok());
  ASSERT_EQ(mkdir((root + above).c_str(), 0755), 0);
  ASSERT_TRUE(write_control(AT_FDCWD, root + above + "/memory.max", std::to_string(kLimit)).ok());
  if (access((root + above + "/memory.swap.max").c_str(), F_OK) == 0) {
    ASSERT_TRUE(write_control(AT_FDCWD, root + above + "/memory.swap.max", "0").ok());
  }
  bundle_.config["linux"]["cgroupsPath"] = above + "/inside";
  bundle_.config["linux"]["resources"]["memory"] = {{"limit", 4L * kLimit}};
  bundle_.payload({"hog", kHog});
  // The second time the counters of the first are there.
  for (int i = 0; i < 2; ++i) {
    json report = report_of(137);
    EXPECT_EQ(report["cause"], "oom");
    EXPECT_EQ(report["oom"], json({{"kills", 1}, {"main", true}, {"limit", "ancestor"}, {"cgroup", above}}));
    EXPECT_NE(outcome_.err.find("the memory limit of cgroup " + above), std::string::npos) << outcome_.err;
  }
  // A detached one, by the record; and one that has lost nothing beside those counters.
  ASSERT_EQ(detach(bundle_).code, 0);
  ASSERT_TRUE(eventually([&] {
    return json::parse(call({"state", id()}).out, nullptr, false)["status"] == "stopped";
  }));
  EXPECT_EQ(call({"delete", "--report", kFile, id()}).code, 0);
  EXPECT_EQ(taken()["oom"]["cgroup"], above);
  bundle_.payload({"exit", "3"});
  EXPECT_FALSE(report_of(3).contains("oom"));
  EXPECT_EQ(rmdir((root + above).c_str()), 0);
}

// The classic mistake: an old count makes a clean end look like one for lack of memory.
TEST_F(ReportLimits, AChildKilledForMemoryBeforeACleanEndIsNoCause) {
  REQUIRE_CONTROLLER("memory");
  if (!bundle_.add_busybox({"sh", "sleep"})) GTEST_SKIP() << "no busybox";
  limit_memory();
  lose_a_child();
  Running container(run_command(bundle_, {"--report", kFile}), {});
  ASSERT_TRUE(container.wait_for("lost")) << container.err();
  container.send(SIGTERM);
  EXPECT_EQ(container.finish().code, 5);
  json report = taken();
  EXPECT_EQ(report["cause"], "stopped") << report;
  EXPECT_EQ(report["oom"], json({{"kills", 1}, {"main", false}, {"limit", "own"}}));
}

// A cgroup that existed before keeps its counters.
TEST_F(ReportLimits, CountsSinceItsCreationOnly) {
  REQUIRE_CONTROLLER("memory");
  const std::string path = "/sys/fs/cgroup/kept-" + id();
  ASSERT_TRUE(write_control(AT_FDCWD, "/sys/fs/cgroup/cgroup.subtree_control", "+memory").ok());
  ASSERT_EQ(mkdir(path.c_str(), 0755), 0);
  bundle_.config["linux"]["cgroupsPath"] = "/kept-" + id();
  limit_memory();
  bundle_.payload({"hog", kHog});
  EXPECT_EQ(report_of(137)["oom"]["kills"], 1);
  EXPECT_EQ(report_of(137)["oom"]["kills"], 1);
  bundle_.payload({"exit", "3"});
  json report = report_of(3);
  EXPECT_FALSE(report.contains("oom")) << report;
  EXPECT_EQ(report["cause"], "exited");
  EXPECT_EQ(rmdir(path.c_str()), 0);
}

TEST_F(ReportLimits, OfAnExecCountsWhatHappenedMeanwhile) {
  REQUIRE_CONTROLLER("memory");
  limit_memory();
  start();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(exec({"--report", kFile}, {"/bin/payload", "hog", kHog}).code, 137);
    json report = taken();
    EXPECT_EQ(report["cause"], "oom");
    EXPECT_EQ(report["oom"]["kills"], 1) << report;
  }
  EXPECT_EQ(exec({"--report", kFile}, {"/bin/payload", "exit", "3"}).code, 3);
  EXPECT_FALSE(taken().contains("oom"));
  end();
}

TEST_F(ReportLimits, ThrottledCpuIsCountedWithinTenPercent) {
  REQUIRE_CONTROLLER("cpu");
  constexpr int kPercent = 30;
  bundle_.payload({"burn", "3"});
  bundle_.config["linux"]["resources"]["cpu"] = {{"quota", kPercent * 1000}, {"period", 100000}};
  json report = report_of(0);
  const json& cpu = report["cpu"];
  double share = 100.0 * cpu.value("usage_us", 0.0) /
                 (report["times"].value("setup_us", 0.0) + report["times"].value("wall_us", 1.0));
  EXPECT_NEAR(share, kPercent, kPercent * 0.1) << report;
  // It wants all the time of each period, and gets a part in each but the last.
  double throttled = cpu.value("throttled_periods", 0.0) / cpu.value("periods", 1.0);
  EXPECT_GT(throttled, 0.9) << report;
  EXPECT_NEAR(cpu.value("user_us", 0.0) + cpu.value("system_us", 0.0), cpu.value("usage_us", 0.0),
              0.05 * cpu.value("usage_us", 0.0));
}

TEST_F(ReportLimits, RefusedForksAreCounted) {
  REQUIRE_CONTROLLER("pids");
  bundle_.payload({"forkbomb", "50"});
  bundle_.config["linux"]["resources"]["pids"] = {{"limit", 10}};
  outcome_ = run(bundle_, {"--report", kFile});
  json report = taken();
  EXPECT_EQ(report["pids"]["limit"], 11) << report;  // one more for the init
  EXPECT_GE(report["pids"]["limit_hits"], 1);
}

}  // namespace
}  // namespace minirun::testing
