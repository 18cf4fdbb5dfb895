// SPDX-License-Identifier: Apache-2.0
#include "cgroups/limits.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "cgroups/cpu_list.h"

namespace minirun {

// "file=value" of each write, in order.
static std::vector<std::string> lines(const Limits& limits, uint32_t extra_tasks = 0) {
  auto plan = plan_limits(limits, extra_tasks);
  if (!plan) return {plan.error().message};
  std::vector<std::string> text;
  for (const Write& write : plan->writes) text.push_back(write.file + "=" + write.value);
  return text;
}

static std::string controllers(const Limits& limits) {
  std::string text;
  auto plan = plan_limits(limits);
  if (!plan) return plan.error().message;
  for (const ControllerNeed& need : plan->needed) text += need.controller + "(" + need.origin + ") ";
  return text;
}

static std::string problem(const Limits& limits) {
  auto plan = plan_limits(limits);
  if (plan) return "no problem";
  EXPECT_EQ(plan.error().code, EINVAL);
  EXPECT_EQ(plan.error().kind, ErrorKind::config);
  return plan.error().message;
}

using Lines = std::vector<std::string>;

TEST(PlanLimits, NoLimitsNeedNothing) {
  EXPECT_EQ(lines({}), Lines{});
  EXPECT_EQ(controllers({}), "");
}

TEST(PlanMemory, SwapIsTheDifferenceAndComesFirst) {
  Limits limits;
  limits.memory = {.limit = 1000, .reservation = 500, .swap = 1500};
  EXPECT_EQ(lines(limits), (Lines{"memory.swap.max=500", "memory.max=1000", "memory.low=500"}));
  EXPECT_EQ(controllers(limits), "memory(/linux/resources/memory/swap) ");
}

TEST(PlanMemory, SwapEqualToLimitIsNoSwapAndNeedsNoSwapSupport) {
  Limits limits;
  limits.memory = {.limit = 1000, .swap = 1000};
  EXPECT_EQ(lines(limits), (Lines{"memory.swap.max=0", "memory.max=1000"}));
  EXPECT_TRUE(plan_limits(limits)->writes[0].may_be_missing);
  limits.memory.swap = 1001;
  EXPECT_FALSE(plan_limits(limits)->writes[0].may_be_missing);
}

TEST(PlanMemory, MinusOneIsMaxAndNeedsNoController) {
  Limits limits;
  limits.memory = {.limit = -1, .swap = -1};
  EXPECT_EQ(lines(limits), (Lines{"memory.swap.max=max", "memory.max=max"}));
  EXPECT_EQ(controllers(limits), "");
  EXPECT_TRUE(plan_limits(limits)->writes[1].may_be_missing);
}

TEST(PlanMemory, UnlimitedReservationProtectsEverything) {
  Limits limits;
  limits.memory = {.reservation = -1};
  EXPECT_EQ(lines(limits), Lines{"memory.low=max"});
  EXPECT_EQ(controllers(limits), "memory(/linux/resources/memory/reservation) ");
}

TEST(PlanMemory, ZeroIsNotGiven) {
  Limits limits;
  limits.memory = {.limit = 0, .reservation = 0, .swap = 0};
  EXPECT_EQ(lines(limits), Lines{});
}

TEST(PlanMemory, CheckBeforeUpdateComparesTheLimitWithUsage) {
  Limits limits;
  limits.memory = {.limit = 1000, .swap = 3000, .check_before_update = true};
  auto plan = plan_limits(limits);
  EXPECT_EQ(plan->writes[0].not_below, "");
  EXPECT_EQ(plan->writes[1].not_below, "memory.current");
}

TEST(PlanMemory, SwapWithoutOrBelowTheLimitIsRefused) {
  Limits limits;
  limits.memory = {.swap = 1000};
  EXPECT_EQ(problem(limits),
            "/linux/resources/memory/swap: 1000 counts memory and swap together, so it needs a memory limit too");
  limits.memory = {.limit = -1, .swap = 1000};
  EXPECT_EQ(problem(limits),
            "/linux/resources/memory/swap: 1000 counts memory and swap together, so it needs a memory limit too");
  limits.memory = {.limit = 1001, .swap = 1000};
  EXPECT_EQ(problem(limits),
            "/linux/resources/memory/swap: 1000 counts memory and swap together, so it cannot be less than the memory "
            "limit 1001");
}

TEST(PlanMemory, OtherNegativeNumbersAreRefused) {
  Limits limits;
  limits.memory = {.limit = -2};
  EXPECT_EQ(problem(limits), "/linux/resources/memory/limit: -2 is out of range (-1 means no limit)");
  limits.memory = {.reservation = INT64_MIN};
  EXPECT_NE(problem(limits), "no problem");
}

TEST(CpuWeight, IsExactWhereTheTwoScalesMeet) {
  EXPECT_EQ(cpu_weight_from_shares(2), 1U);
  EXPECT_EQ(cpu_weight_from_shares(1024), 100U);
  EXPECT_EQ(cpu_weight_from_shares(262144), 10000U);
}

TEST(CpuWeight, ClampsOutsideTheRange) {
  EXPECT_EQ(cpu_weight_from_shares(1), 1U);
  EXPECT_EQ(cpu_weight_from_shares(262145), 10000U);
  EXPECT_EQ(cpu_weight_from_shares(UINT64_MAX), 10000U);
}

TEST(CpuWeight, NeverFallsAndStaysInRange) {
  uint64_t last = 1;
  for (uint64_t shares = 2; shares <= 262144; ++shares) {
    uint64_t weight = cpu_weight_from_shares(shares);
    ASSERT_GE(weight, last) << shares;
    ASSERT_LE(weight, 10000U) << shares;
    last = weight;
  }
}

TEST(CpuWeight, AgreesWithPeersInBetween) {
  const std::pair<uint64_t, uint64_t> known[] = {{3, 2}, {10, 4}, {100, 17}, {512, 59}, {2048, 174}, {65536, 3023}};
  for (auto [shares, weight] : known) EXPECT_EQ(cpu_weight_from_shares(shares), weight) << shares;
}

TEST(PlanCpu, QuotaAndPeriodAreOneWrite) {
  Limits limits;
  limits.cpu = {.shares = 1024, .quota = 50000, .period = 100000, .burst = 10000};
  EXPECT_EQ(lines(limits), (Lines{"cpu.weight=100", "cpu.max=50000 100000", "cpu.max.burst=10000"}));
  EXPECT_EQ(controllers(limits), "cpu(/linux/resources/cpu/shares) ");
}

TEST(PlanCpu, QuotaAloneKeepsThePeriod) {
  Limits limits;
  limits.cpu = {.quota = 50000};
  EXPECT_EQ(lines(limits), Lines{"cpu.max=50000"});
}

TEST(PlanCpu, NoQuotaIsMaxAndNeedsNoController) {
  Limits limits;
  for (int64_t quota : {int64_t{-1}, int64_t{0}}) {
    limits.cpu = {.quota = quota, .period = 100000};
    EXPECT_EQ(lines(limits), Lines{"cpu.max=max 100000"});
    EXPECT_EQ(controllers(limits), "");
  }
  limits.cpu = {.shares = 0, .period = 0};
  EXPECT_EQ(lines(limits), Lines{});
}

TEST(PlanCpu, PeriodAloneIsAskedForUnlessItIsTheUsualOne) {
  Limits limits;
  limits.cpu = {.period = 20000};
  EXPECT_EQ(lines(limits), Lines{"cpu.max=max 20000"});
  EXPECT_EQ(controllers(limits), "cpu(/linux/resources/cpu/period) ");
  limits.cpu = {.period = 100000};
  EXPECT_EQ(controllers(limits), "");
}

TEST(PlanCpu, IdleReplacesTheWeight) {
  Limits limits;
  limits.cpu = {.shares = 512, .idle = 1};
  EXPECT_EQ(lines(limits), Lines{"cpu.idle=1"});
  limits.cpu = {.shares = 512, .idle = 0};
  EXPECT_EQ(lines(limits), (Lines{"cpu.idle=0", "cpu.weight=59"}));
  limits.cpu = {.idle = 2};
  EXPECT_EQ(problem(limits), "/linux/resources/cpu/idle: 2 is neither 0 nor 1");
}

TEST(PlanCpu, BurstNeedsNoQuotaBesideItAndZeroTakesItAway) {
  Limits limits;
  limits.cpu = {.burst = 1001};
  EXPECT_EQ(lines(limits), Lines{"cpu.max.burst=1001"});
  limits.cpu = {.quota = -1, .burst = 1001};
  EXPECT_EQ(lines(limits).back(), "cpu.max.burst=1001");
  limits.cpu = {.burst = 0};
  EXPECT_EQ(lines(limits), Lines{"cpu.max.burst=0"});
}

TEST(PlanCpu, BurstAboveQuotaIsRefused) {
  Limits limits;
  limits.cpu = {.quota = 1000, .burst = 1001};
  EXPECT_EQ(problem(limits), "/linux/resources/cpu/burst: 1001 is more than the quota 1000");
}

TEST(PlanCpu, SetsAreCheckedAgainstWhatTakesEffect) {
  Limits limits;
  limits.cpu = {.cpus = "0-1", .mems = "0"};
  EXPECT_EQ(lines(limits), (Lines{"cpuset.cpus=0-1", "cpuset.mems=0"}));
  EXPECT_EQ(controllers(limits), "cpuset(/linux/resources/cpu/cpus) ");
  EXPECT_EQ(plan_limits(limits)->writes[0].effective, "cpuset.cpus.effective");
}

TEST(PlanPids, ZeroStillLetsTheFirstProcessLive) {
  Limits limits;
  limits.pids = 0;
  EXPECT_EQ(lines(limits), Lines{"pids.max=1"});
  EXPECT_EQ(lines(limits, 1), Lines{"pids.max=2"});
}

TEST(PlanPids, MinirunPaysForItsOwnTasks) {
  Limits limits;
  limits.pids = 100;
  EXPECT_EQ(lines(limits, 1), Lines{"pids.max=101"});
  EXPECT_EQ(controllers(limits), "pids(/linux/resources/pids/limit) ");
}

TEST(PlanPids, WhatCanNeverBeReachedIsNoLimit) {
  Limits limits;
  for (int64_t none : {int64_t{-1}, int64_t{4194305}, INT64_MAX}) {
    limits.pids = none;
    EXPECT_EQ(lines(limits, 1), Lines{"pids.max=max"});
    EXPECT_EQ(controllers(limits), "");
  }
  limits.pids = 4194304;  // the most that the kernel takes
  EXPECT_EQ(lines(limits), Lines{"pids.max=4194304"});
  EXPECT_EQ(lines(limits, 1), Lines{"pids.max=max"});
  limits.pids = -2;
  EXPECT_EQ(problem(limits), "/linux/resources/pids/limit: -2 is out of range (-1 means no limit)");
}

TEST(PlanIo, WeightHasBothScales) {
  Limits limits;
  limits.io.weight = 1000;
  limits.io.weight_device = {{{8, 16}, 10}};
  auto plan = plan_limits(limits);
  ASSERT_EQ(plan->writes.size(), 2U);
  EXPECT_EQ(lines(limits), (Lines{"io.bfq.weight=1000", "io.bfq.weight=8:16 10"}));
  EXPECT_EQ(plan->writes[0].fallback_file, "io.weight");
  EXPECT_EQ(plan->writes[0].fallback_value, "10000");
  EXPECT_EQ(plan->writes[1].fallback_value, "8:16 1");
  EXPECT_EQ(plan->writes[1].origin, "/linux/resources/blockIO/weightDevice/0");
}

TEST(PlanIo, WeightOutOfRangeIsRefused) {
  Limits limits;
  limits.io.weight = 9;
  EXPECT_EQ(problem(limits), "/linux/resources/blockIO/weight: 9 is not in 10..1000");
  limits.io.weight = 0;  // as engines send it when it is not given
  EXPECT_EQ(lines(limits), Lines{});
  limits.io.weight_device = {{{8, 0}, 1001}};
  EXPECT_EQ(problem(limits), "/linux/resources/blockIO/weightDevice/0: 1001 is not in 10..1000");
}

TEST(PlanIo, EachThrottleIsOneWriteWithItsOrigin) {
  Limits limits;
  limits.io.read_bps = {{{8, 0}, 1}, {{8, 16}, 2}};
  limits.io.write_bps = {{{8, 0}, 3}};
  limits.io.read_iops = {{{8, 0}, 4}};
  limits.io.write_iops = {{{8, 0}, UINT64_MAX}};
  EXPECT_EQ(lines(limits), (Lines{"io.max=8:0 rbps=1", "io.max=8:16 rbps=2", "io.max=8:0 wbps=3", "io.max=8:0 riops=4",
                                  "io.max=8:0 wiops=18446744073709551615"}));
  EXPECT_EQ(plan_limits(limits)->writes[1].origin, "/linux/resources/blockIO/throttleReadBpsDevice/1");
  EXPECT_EQ(controllers(limits), "io(/linux/resources/blockIO/throttleReadBpsDevice/0) ");
}

TEST(PlanIo, RateZeroLiftsTheThrottle) {
  Limits limits;
  limits.io.read_bps = {{{8, 0}, 0}};
  EXPECT_EQ(lines(limits), Lines{"io.max=8:0 rbps=max"});
}

TEST(PlanHugepages, ReservationsAreLimitedWhereTheKernelCan) {
  Limits limits;
  limits.hugepages = {{"2MB", 4194304}};
  EXPECT_EQ(lines(limits), (Lines{"hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304"}));
  EXPECT_FALSE(plan_limits(limits)->writes[0].may_be_missing);
  EXPECT_TRUE(plan_limits(limits)->writes[1].may_be_missing);
  EXPECT_EQ(controllers(limits), "hugetlb(/linux/resources/hugepageLimits/0) ");
}

TEST(PlanHugepages, PageSizeCannotLeaveTheDirectory) {
  for (const char* size : {"", "B", "MB", "2", "2MB/../x", "../2MB", "2.MB", "02MB", "2mb", "2TB", "2MB "}) {
    Limits limits;
    limits.hugepages = {{size, 1}};
    EXPECT_NE(problem(limits), "no problem") << size;
  }
}

TEST(PlanRdma, OneLineForEachDevice) {
  Limits limits;
  limits.rdma = {{"mlx5_1", 3, 10000}, {"rxe3", {}, 0}};
  EXPECT_EQ(lines(limits), (Lines{"rdma.max=mlx5_1 hca_handle=3 hca_object=10000", "rdma.max=rxe3 hca_object=0"}));
  limits.rdma = {{"mlx5_1", {}, {}}};
  EXPECT_EQ(problem(limits), "/linux/resources/rdma/mlx5_1: neither hcaHandles nor hcaObjects is given");
  limits.rdma = {{"", 1, {}}};
  EXPECT_EQ(problem(limits), "/linux/resources/rdma/: not the name of a device");
  limits.rdma = {{"a hca_handle=1", 1, {}}};
  EXPECT_NE(problem(limits), "no problem");
}

TEST(PlanUnified, ComesLastOneWriteForEachLine) {
  Limits limits;
  limits.memory.limit = 4096;
  limits.unified = {{"memory.high", "max"}, {"io.max", "8:0 rbps=1\n8:16 rbps=2\n"}, {"misc.max", ""}};
  EXPECT_EQ(lines(limits), (Lines{"memory.max=4096", "memory.high=max", "io.max=8:0 rbps=1", "io.max=8:16 rbps=2"}));
  EXPECT_EQ(controllers(limits), "memory(/linux/resources/memory/limit) io(/linux/resources/unified/io.max) ");
}

TEST(PlanUnified, RefusesWhatIsNoLimit) {
  for (const char* file : {"", ".", "..", "memory", "../x.y", "a/b.c", ".x", "cgroup.procs", "cgroup.threads",
                           "cgroup.kill", "cgroup.freeze", "cgroup.type", "cgroup.subtree_control"}) {
    Limits limits;
    limits.unified = {{file, "1"}};
    EXPECT_NE(problem(limits), "no problem") << file;
  }
}

TEST(PlanUnified, CoreLimitsNeedNoController) {
  Limits limits;
  limits.unified = {{"cgroup.max.descendants", "10"}};
  EXPECT_EQ(lines(limits), Lines{"cgroup.max.descendants=10"});
  limits.unified = {{"cgroup.max.depth", "10"}, {"cgroup.pressure", "0"}};
  EXPECT_EQ(lines(limits), (Lines{"cgroup.max.depth=10", "cgroup.pressure=0"}));
  EXPECT_EQ(controllers(limits), "");
}

TEST(CpuList, TellsWhetherEverythingIsInTheOther) {
  EXPECT_TRUE(cpu_list_within("0-1\n", "0-3"));
  EXPECT_TRUE(cpu_list_within("2,7-8", "0-3,7,8"));
  EXPECT_TRUE(cpu_list_within("", "0"));
  EXPECT_FALSE(cpu_list_within("0-3", "0-1,3"));
  EXPECT_FALSE(cpu_list_within("0", ""));
  EXPECT_TRUE(cpu_list_within("0-4294967295", "0-8191"));
}

}  // namespace minirun
