// SPDX-License-Identifier: Apache-2.0
#include "cgroups/stats.h"
#include "tests/unit/cgroups/cgroup_root.h"

namespace minirun {
namespace {

class CgroupApply : public CgroupRoot {};

TEST_F(CgroupApply, LimitsAreWrittenAndReadBack) {
  if (!offers("hugetlb")) GTEST_SKIP() << "no hugetlb controller in the root cgroup";
  Limits limits;
  limits.hugepages = {{"2MB", 8 << 20}};
  auto plan = plan_limits(limits);
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a/b", plan->needed);
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text();
  auto applied = cgroup->apply(plan->writes);
  ASSERT_TRUE(applied.ok()) << applied.error().text();
  EXPECT_EQ(*read_file(cgroup->fd(), "hugetlb.2MB.max"), "8388608\n");
  EXPECT_EQ(*read_file(cgroup->fd(), "hugetlb.2MB.rsvd.max"), "8388608\n");
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupApply, EachControllerTakesItsLimits) {
  for (const char* controller : {"memory", "cpu", "cpuset", "pids"})
    if (!offers(controller)) GTEST_SKIP() << "no " << controller << " controller on cgroup2";
  Limits limits;
  limits.memory = {.limit = 64 << 20, .reservation = 32 << 20, .swap = 64 << 20, .check_before_update = true};
  limits.cpu = {.shares = 512, .quota = 20000, .period = 50000, .burst = 10000, .cpus = "0", .mems = "0"};
  limits.pids = 10;
  auto plan = plan_limits(limits, 1);
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a/b", plan->needed);
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text();
  auto applied = cgroup->apply(plan->writes);
  ASSERT_TRUE(applied.ok()) << applied.error().text();
  const std::pair<const char*, const char*> expected[] = {{"memory.max", "67108864\n"}, {"memory.low", "33554432\n"},
                                                          {"cpu.weight", "59\n"},       {"cpu.max", "20000 50000\n"},
                                                          {"cpuset.cpus", "0\n"},       {"pids.max", "11\n"}};
  for (auto [file, content] : expected) EXPECT_EQ(*read_file(cgroup->fd(), file), content) << file;

  limits = {};
  limits.cpu.quota = 20000;
  limits.cpu.period = 2000000;
  EXPECT_EQ(cgroup->apply(plan_limits(limits)->writes).error().text(),
            "/linux/resources/cpu/quota: write \"20000 2000000\" to cpu.max of cgroup " + base_ +
                "/a/b (quota and period are at least 1000 us, the period at most 1 s, the quota at least the burst): "
                "invalid argument");
  limits = {};
  limits.cpu.cpus = "4000";
  EXPECT_FALSE(cgroup->apply(plan_limits(limits)->writes).ok());
  limits = {};
  limits.io.read_bps = {{{250, 250}, 1000}};
  if (offers("io")) {
    auto io = Cgroup::create(hierarchy_, base_ + "/io", plan_limits(limits)->needed);
    EXPECT_EQ(io->apply(plan_limits(limits)->writes).error().text(),
              "/linux/resources/blockIO/throttleReadBpsDevice/0: write \"250:250 rbps=1000\" to io.max of cgroup " +
                  base_ + "/io (no whole block device 250:250): no such device");
    EXPECT_TRUE(io->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  }
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupApply, PidsLimitIsTheReasonWhyNobodyCanBeBorn) {
  if (!offers("pids")) GTEST_SKIP() << "no pids controller on cgroup2";
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {{"pids", "pids.limit"}});
  ASSERT_TRUE(cgroup->apply({{.file = "pids.max", .value = "1", .origin = "pids.limit"}}).ok());
  spawn_sleeper(cgroup->fd());
  EXPECT_EQ(spawn_sleeper(cgroup->fd()), -1);
  EXPECT_EQ(cgroup->explain_join(errno), "pids.max of cgroup " + base_ + "/a is 1");
  EXPECT_EQ(read_stats(cgroup->fd())->pids_max_hits, 1U);
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupApply, LimitBelowUsageIsRefusedWhenAsked) {
  if (!offers("memory")) GTEST_SKIP() << "no memory controller on cgroup2";
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {{"memory", "memory.limit"}});
  pid_t sleeper = spawn_sleeper(cgroup->fd());
  for (int round = 0; round < 1000 && *read_file(cgroup->fd(), "memory.current") == "0\n"; ++round) usleep(1000);
  Limits limits;
  limits.memory = {.limit = 1, .check_before_update = true};
  auto applied = cgroup->apply(plan_limits(limits)->writes);
  EXPECT_EQ(applied.error().code, EBUSY) << applied.error().text();
  EXPECT_EQ(*read_file(cgroup->fd(), "memory.max"), "max\n");
  EXPECT_EQ(waitpid(sleeper, nullptr, WNOHANG), 0) << "killed by a limit that was to be refused";
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupApply, ApplySaysWhichLimitAndWhy) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  auto error = [&](const Write& write) { return cgroup->apply({write}).error().text(); };
  EXPECT_EQ(error({.file = "hugetlb.3MB.max", .value = "1", .origin = "hugepageLimits[0]"}),
            "hugepageLimits[0]: write \"1\" to hugetlb.3MB.max of cgroup " + base_ +
                "/a (this machine has no huge pages of that size): no such file or directory");
  EXPECT_EQ(error({.file = "cgroup.max.depth", .value = "x", .origin = "unified.cgroup.max.depth"}),
            "unified.cgroup.max.depth: write \"x\" to cgroup.max.depth of cgroup " + base_ +
                "/a (the kernel does not take this value): invalid argument");
  const Error refused = cgroup->apply({{.file = "cgroup.max.depth", .value = "x", .origin = "/x"}}).error();
  EXPECT_EQ(refused.kind, ErrorKind::host);
  EXPECT_EQ(refused.details().pointer, "/x");
  EXPECT_EQ(refused.details().call, "write");
  EXPECT_EQ(refused.details().path, base_ + "/a/cgroup.max.depth");
  EXPECT_TRUE(cgroup->apply({{.file = "x.max", .value = "max", .origin = "x", .may_be_missing = true}}).ok());
  EXPECT_TRUE(cgroup
                  ->apply({{.file = "x.max",
                            .value = "1",
                            .origin = "x",
                            .fallback_file = "cgroup.max.depth",
                            .fallback_value = "7"}})
                  .ok());
  EXPECT_EQ(*read_file(cgroup->fd(), "cgroup.max.depth"), "7\n");
  EXPECT_EQ(
      error({.file = "x.max", .value = "1", .origin = "x", .fallback_file = "cgroup.max.depth", .fallback_value = "y"}),
      "x: write \"y\" to cgroup.max.depth of cgroup " + base_ +
          "/a (the kernel does not take this value): invalid argument");
  EXPECT_EQ(error({.file = "cgroup.max.depth", .value = "1", .origin = "x", .not_below = "cgroup.max.depth"}),
            "x: 1 is less than the 7 bytes in use (cgroup.max.depth): device or resource busy");
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupApply, StatsOfARunningCgroupHaveItsCpuTime) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  wait_for(spawn(cgroup->fd(), [] { return 0; }));
  auto stats = read_stats(cgroup->fd());
  ASSERT_TRUE(stats.ok()) << stats.error().text();
  EXPECT_TRUE(stats->cpu_usage_us.has_value());
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

}  // namespace
}  // namespace minirun
