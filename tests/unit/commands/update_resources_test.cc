// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/update_resources.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

constexpr int64_t kMiB = 1 << 20;

// What the writes for a request would be, one "file=value" each; or its error.
std::string planned(UpdateCommand command, const CurrentLimits& current, const std::string& json = "",
                    uint32_t extra_tasks = 0) {
  if (!json.empty()) command.resources = "r.json";
  auto resources = requested_resources(command, json, "r.json");
  if (!resources.ok()) return resources.error().text();
  auto checked = check_resources_for(command, *resources, current, "r.json");
  if (!checked.ok()) return checked.error().text();
  auto plan = plan_change(*resources, current, extra_tasks);
  if (!plan.ok()) return plan.error().text();
  std::string text;
  for (const Write& write : plan->writes) text += (text.empty() ? "" : " ; ") + write.file + "=" + write.value;
  return text;
}

UpdateCommand asking(void (*set)(UpdateCommand&)) {
  UpdateCommand command;
  set(command);
  return command;
}

const CurrentLimits kLimited{64 * kMiB, 20000, 100000, 5000};
const CurrentLimits kUnlimited{-1, -1, 100000, 0};

TEST(UpdateResources, WithoutAnythingIsNoWrite) {
  EXPECT_EQ(planned({}, kLimited), "");
  EXPECT_EQ(planned({}, kLimited, "{}"), "");
  EXPECT_EQ(planned({}, kLimited, R"({"memory":{},"cpu":{},"blockIO":{},"devices":[]})"), "");
  EXPECT_EQ(planned(asking([](auto& c) { c.memory = ""; }), kLimited), "") << "runc takes it for not given";
}

TEST(UpdateResources, MemoryBelowWhatIsInUseIsAWarning) {
  CurrentLimits current = kLimited;
  current.used_bytes = 50 * kMiB;
  auto warning = [&](UpdateCommand command, const std::string& json) {
    auto resources = requested_resources(command, json, "r.json");
    return resources.ok() ? below_usage(command, *resources, current, "r.json") : resources.error().text();
  };
  auto lowered = asking([](auto& c) { c.memory = "1M"; });
  const std::string words =
      ": 1 MiB is less than the 50 MiB in use: the kernel takes memory back and kills processes until it fits";
  EXPECT_EQ(warning(lowered, ""), "--memory" + words);
  EXPECT_EQ(warning({}, R"({"memory":{"limit":1048576}})"), "r.json: /memory/limit" + words);
  EXPECT_EQ(warning({}, R"({"memory":{"limit":1048576,"checkBeforeUpdate":true}})"), "") << "it is refused";
  for (const char* enough : {"50M", "-1", "0"}) {
    UpdateCommand command;
    command.memory = enough;
    EXPECT_EQ(warning(command, ""), "") << enough;
  }
  EXPECT_EQ(warning(asking([](auto& c) { c.pids_limit = 5; }), ""), "");
}

TEST(UpdateResources, FailuresNameTheOptionOrThePropertyOfTheFile) {
  auto command = asking([](auto& c) { c.memory = "1M"; });
  auto named = [&](const std::string& pointer, const std::string& what) {
    Error error{0, pointer + what};
    error.change_details().pointer = pointer;
    return name_as_given_to_update(error, command, "r.json").text();
  };
  EXPECT_EQ(named("/linux/resources/memory/limit", " needs the memory controller"),
            "--memory needs the memory controller");
  EXPECT_EQ(named("/linux/resources/cpu/cpus", ": write"), "r.json: /cpu/cpus: write");
  EXPECT_EQ(named("/linux/resources/unified/io.max", ": write"), "r.json: /unified/io.max: write");
  EXPECT_EQ(named("", "cgroup /x is gone"), "cgroup /x is gone");
  Limits limits;
  limits.cpu.idle = 2;
  Error refused = plan_limits(limits).error();
  EXPECT_EQ(name_as_given_to_update(refused, command, "r.json").message, "r.json: /cpu/idle: 2 is neither 0 nor 1");
}

TEST(UpdateResources, OptionsGoBeforeTheFile) {
  std::string json = R"({"memory":{"limit":1048576,"reservation":524288},"pids":{"limit":7},"cpu":{"shares":1024}})";
  EXPECT_EQ(planned({}, kUnlimited, json), "memory.max=1048576 ; memory.low=524288 ; cpu.weight=100 ; pids.max=7");
  auto command = asking([](auto& c) {
    c.memory = "2m";
    c.pids_limit = 9;
  });
  EXPECT_EQ(planned(command, kUnlimited, json, 1),
            "memory.max=2097152 ; memory.low=524288 ; cpu.weight=100 ; pids.max=10");
}

TEST(UpdateResources, EveryOptionIsTaken) {
  auto command = asking([](auto& c) {
    c.blkio_weight = 100;
    c.cpu_period = 50000;
    c.cpu_quota = 10000;
    c.cpu_burst = 1000;
    c.cpu_rt_period = 0;
    c.cpu_rt_runtime = -1;
    c.cpu_share = 2;
    c.cpu_idle = 0;
    c.cpuset_cpus = "0-1";
    c.cpuset_mems = "0";
    c.memory = "64m";
    c.memory_reservation = "-1";
    c.memory_swap = "96m";
    c.kernel_memory = "0";
    c.kernel_memory_tcp = "-1";
    c.pids_limit = -1;
  });
  EXPECT_EQ(planned(command, kUnlimited),
            "memory.swap.max=33554432 ; memory.max=67108864 ; memory.low=max ; cpu.idle=0 ; cpu.weight=1 ; "
            "cpu.max=10000 50000 ; cpu.max.burst=1000 ; cpuset.cpus=0-1 ; cpuset.mems=0 ; pids.max=max ; "
            "io.bfq.weight=100");
}

TEST(UpdateResources, QuotaAndPeriodStayTogether) {
  EXPECT_EQ(planned(asking([](auto& c) { c.cpu_period = 50000; }), kLimited), "cpu.max=20000 50000");
  EXPECT_EQ(planned(asking([](auto& c) { c.cpu_period = 50000; }), kUnlimited), "cpu.max=max 50000");
  EXPECT_EQ(planned(asking([](auto& c) { c.cpu_quota = 30000; }), kLimited), "cpu.max=30000");
  EXPECT_EQ(planned(asking([](auto& c) { c.cpu_quota = -1; }), kLimited), "cpu.max=max");
}

// What is filled in from the cgroup is not written again; what `unified` asks for of the same file is.
TEST(UpdateResources, UnifiedIsNotTakenForWhatWasFilledIn) {
  EXPECT_EQ(planned({}, kLimited, R"({"unified":{"cpu.max":"30000 100000","memory.max":"1000000"}})"),
            "cpu.max=30000 100000 ; memory.max=1000000");
  EXPECT_EQ(planned({}, kLimited, R"({"cpu":{"burst":1000},"unified":{"cpu.max":"30000 100000"}})"),
            "cpu.max.burst=1000 ; cpu.max=30000 100000");
  EXPECT_EQ(planned({}, kLimited, R"({"memory":{"swap":100663296},"unified":{"memory.max":"1000000"}})"),
            "memory.swap.max=33554432 ; memory.max=1000000");
}

TEST(UpdateResources, BurstIsWrittenOnTheSafeSideOfTheQuota) {
  EXPECT_EQ(planned(asking([](auto& c) { c.cpu_burst = 6000; }), kLimited), "cpu.max.burst=6000");
  EXPECT_EQ(planned(asking([](auto& c) { c.cpu_burst = 30000; }), kLimited),
            "--cpu-burst: must not be more than quota, 20000: found 30000");
  auto lower = asking([](auto& c) {
    c.cpu_burst = 2000;
    c.cpu_quota = 4000;
  });
  EXPECT_EQ(planned(lower, kLimited), "cpu.max.burst=2000 ; cpu.max=4000") << "4000 is less than the burst so far";
  auto higher = asking([](auto& c) {
    c.cpu_burst = 30000;
    c.cpu_quota = 40000;
  });
  EXPECT_EQ(planned(higher, kLimited), "cpu.max=40000 ; cpu.max.burst=30000");
}

TEST(UpdateResources, SwapIsCountedFromTheLimitThatHolds) {
  EXPECT_EQ(planned(asking([](auto& c) { c.memory_swap = "96m"; }), kLimited), "memory.swap.max=33554432");
  EXPECT_EQ(planned(asking([](auto& c) { c.memory_swap = "64m"; }), kLimited), "memory.swap.max=0");
  EXPECT_EQ(planned(asking([](auto& c) { c.memory_swap = "-1"; }), kLimited), "memory.swap.max=max");
  EXPECT_EQ(planned(asking([](auto& c) { c.memory_swap = "32m"; }), kLimited),
            "--memory-swap: is memory and swap together, so it must not be less than limit, 67108864: found 33554432");
  EXPECT_EQ(planned(asking([](auto& c) { c.memory_swap = "32m"; }), kUnlimited),
            "--memory-swap: is memory and swap together, so it needs a memory limit: found 33554432 without one");
}

TEST(UpdateResources, MemoryAloneKeepsTheSumOfMemoryAndSwap) {
  CurrentLimits current = kLimited;
  current.swap_bytes = 64 * kMiB;
  auto memory = [&](const char* size) {
    UpdateCommand command;
    command.memory = size;
    return planned(command, current);
  };
  EXPECT_EQ(memory("32m"), "memory.swap.max=100663296 ; memory.max=33554432");
  EXPECT_EQ(memory("96m"), "memory.max=100663296 ; memory.swap.max=33554432");
  EXPECT_EQ(memory("128m"), "memory.max=134217728 ; memory.swap.max=0");
  EXPECT_EQ(memory("129m"),
            "--memory: is more than memory and swap together, which stay 134217728: give a swap (--memory-swap) too: "
            "found 135266304");
  EXPECT_EQ(memory("-1"), "memory.max=max ; memory.swap.max=max");
  for (int64_t apart : {int64_t{-1}, int64_t{0}, INT64_MAX - kMiB}) {
    current.swap_bytes = apart;
    EXPECT_EQ(memory("129m"), "memory.max=135266304") << apart;
  }
}

TEST(UpdateResources, MoreMemoryComesBeforeLessSwap) {
  auto command = asking([](auto& c) {
    c.memory = "128m";
    c.memory_swap = "128m";
  });
  EXPECT_EQ(planned(command, kLimited), "memory.max=134217728 ; memory.swap.max=0");
  command.memory = "32m";
  command.memory_swap = "48m";
  EXPECT_EQ(planned(command, kLimited), "memory.swap.max=16777216 ; memory.max=33554432");
  EXPECT_EQ(planned(command, kUnlimited), "memory.swap.max=16777216 ; memory.max=33554432");
}

TEST(UpdateResources, NoMemoryLimitIsNoSwapLimitEither) {
  EXPECT_EQ(planned(asking([](auto& c) { c.memory = "-1"; }), kLimited), "memory.max=max ; memory.swap.max=max");
}

TEST(UpdateResources, EveryProblemIsToldOfWhatTheUserWrote) {
  auto command = asking([](auto& c) {
    c.kernel_memory = "4k";
    c.cpu_rt_runtime = 5;
    c.cpu_idle = 2;
    c.pids_limit = -5;
    c.blkio_weight = 5;
    c.cpu_quota = -7;
  });
  EXPECT_EQ(planned(command, kLimited, R"({"cpu":{"period":5},"network":{"classID":7}})"),
            "--cpu-idle: must be 0 or 1: found 2\n"
            "--cpu-quota: must be microseconds, or -1 for no limit: found -7\n"
            "--pids-limit: must be a number, or -1 for no limit: found -5\n"
            "r.json: /cpu/period: must be from 1000 to 1000000 microseconds: found 5\n"
            "--blkio-weight: must be an integer from 10 to 1000: found 5\n"
            "--kernel-memory: is for cgroup v1 only, and minirun works with cgroup v2\n"
            "--cpu-rt-runtime: is for cgroup v1 only, and minirun works with cgroup v2\n"
            "r.json: /network/classID: is for cgroup v1 only, and minirun works with cgroup v2");
  EXPECT_EQ(planned(asking([](auto& c) { c.memory_swap = "much"; }), kLimited),
            "--memory-swap: \"much\" is not a size: bytes, or with k, m, g, t or p, or -1 for no limit");
}

TEST(UpdateResources, WhatIsWrongInTheFileHasItsPlace) {
  EXPECT_EQ(planned({}, kLimited, R"({"memory":{"limit":"x"},"pids":{},"cpu":[],"cpu":{}})"),
            "r.json: /memory/limit: must be an integer from -1 to 9223372036854775807: found \"x\"\n"
            "r.json: /pids/limit: is required but missing\n"
            "r.json: /cpu: must be an object: found an empty array\n"
            "r.json: /cpu: appears twice");
  EXPECT_EQ(planned({}, kLimited, "[]"), "r.json: must be an object: found an empty array");
  EXPECT_EQ(planned({}, kLimited, "{\n  \"memory\": nonsense}").rfind("r.json:2:", 0), 0u);
  EXPECT_EQ(planned({}, kLimited, R"({"surprise":{"x":1},"pids":{"limit":3}})"), "pids.max=3");
  UpdateCommand empty;
  empty.resources = "-";
  EXPECT_FALSE(requested_resources(empty, "", "stdin").ok()) << "an empty file is no object";
}

TEST(CurrentLimitsFiles, AreReadAsTheyAre) {
  TemporaryDirectory cgroup;
  auto none = read_current_limits(cgroup.fd());
  ASSERT_TRUE(none.ok()) << none.error().text();
  EXPECT_FALSE(none->memory_bytes || none->swap_bytes || none->quota_us || none->period_us || none->burst_us);
  cgroup.write("memory.max", "max\n");
  cgroup.write("memory.swap.max", "4096\n");
  cgroup.write("cpu.max", "20000 100000\n");
  cgroup.write("cpu.max.burst", "0\n");
  auto some = read_current_limits(cgroup.fd());
  EXPECT_EQ(some->memory_bytes, -1);
  EXPECT_EQ(some->swap_bytes, 4096);
  EXPECT_EQ(some->quota_us, 20000);
  EXPECT_EQ(some->period_us, 100000u);
  EXPECT_EQ(some->burst_us, 0u);
  cgroup.write("memory.max", "nonsense\n");
  EXPECT_FALSE(read_current_limits(cgroup.fd()).ok());
}

}  // namespace
}  // namespace minirun
