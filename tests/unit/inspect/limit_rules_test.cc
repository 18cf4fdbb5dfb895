// SPDX-License-Identifier: Apache-2.0
// The rules about what runs out. Each finds its ailment, and nothing just below its threshold.
#include <gtest/gtest.h>

#include "tests/unit/inspect/facts.h"

namespace minirun {
namespace {

TEST(LimitRules, FindNothingInAHealthyContainer) {
  EXPECT_EQ(found(healthy()), "");
}

TEST(LimitRules, FindNothingWhereNothingIsCounted) {
  Facts facts = healthy();
  facts.before.cgroup = facts.after.cgroup = CgroupFacts();
  EXPECT_EQ(found(facts), "");
  facts.before.cgroup = facts.after.cgroup = std::nullopt;
  EXPECT_EQ(found(facts), "");
}

TEST(LimitRules, MemoryThatCannotBeTakenBack) {
  Facts facts = healthy();
  facts.after.cgroup->stats.memory_current_bytes = 250 << 20;
  facts.after.cgroup->reclaimable_bytes = 30 << 20;
  EXPECT_EQ(found(facts), "") << "220 of 256 MiB";
  facts.after.cgroup->reclaimable_bytes = 10 << 20;
  facts.after.cgroup->tmpfs_bytes = 9 << 20;
  EXPECT_EQ(found(facts),
            "memory-limit: 240 MiB of 256 MiB used (94 %), which the kernel cannot take back, 9.0 MiB of it in tmpfs; "
            "worker (12) alone 12 MiB");
  EXPECT_EQ(findings_of(facts)[0].severity, Severity::warning);
  facts.after.cgroup->stats.memory_current_bytes = 265 << 20;
  EXPECT_EQ(findings_of(facts)[0].severity, Severity::critical);
  facts.after.cgroup->stats.memory_max_bytes = std::nullopt;
  EXPECT_EQ(found(facts), "");
}

TEST(LimitRules, OomKills) {
  Facts facts = healthy();
  facts.before.cgroup->stats.oom_kills = facts.after.cgroup->stats.oom_kills = 1;
  EXPECT_EQ(
      found(facts),
      "memory-limit: 1 process was OOM-killed since the container was made, 0 of them just now, by a limit below or "
      "above the container, or because the host has no memory left");
  EXPECT_EQ(findings_of(facts)[0].severity, Severity::warning);
  facts.after.cgroup->stats.oom_kills = 3;
  facts.after.cgroup->stats.oom_events_local = 2;
  EXPECT_EQ(found(facts),
            "memory-limit: 3 processes were OOM-killed since the container was made, 2 of them just now, by the "
            "container's own limit of 256 MiB");
  EXPECT_EQ(findings_of(facts)[0].severity, Severity::critical);
}

TEST(LimitRules, MemoryPressure) {
  Facts facts = healthy();
  facts.after.cgroup->memory_pressure = Pressure{190000, 0};
  EXPECT_EQ(found(facts), "");
  facts.after.cgroup->memory_pressure = Pressure{700000, 600000};
  EXPECT_EQ(found(facts),
            "memory-pressure: processes waited for memory in 70 % of the time, all of them at once in 60 %: the kernel "
            "reclaims and reads again what is in use");
  EXPECT_EQ(findings_of(facts)[0].severity, Severity::critical);
}

TEST(LimitRules, Swap) {
  Facts facts = healthy();
  facts.after.cgroup->stats.swap_current_bytes = 10 << 20;
  EXPECT_EQ(found(facts), "") << "9 %";
  facts.after.cgroup->stats.swap_current_bytes = 100 << 20;
  EXPECT_EQ(found(facts), "swap: 100 MiB of its memory, 50 %, in swap: each use of it waits for the disk");
}

TEST(LimitRules, PidsLimit) {
  Facts facts = healthy();
  facts.after.cgroup->stats.pids_current = 57;
  EXPECT_EQ(found(facts), "");
  facts.after.cgroup->stats.pids_current = 61;
  add(&facts, process_facts(20, 11, "sh", 'Z'));
  EXPECT_EQ(
      found(facts),
      "pids-limit: 61 of 64 tasks, 1 of them zombies; pids.max has refused 0 forks since the container was made, 0 "
      "of them just now");
  facts.after.cgroup->stats.pids_max_hits = 1;
  EXPECT_EQ(findings_of(facts)[0].severity, Severity::critical);
  facts.before.cgroup->stats.pids_max_hits = 1;
  facts.after.cgroup->stats.pids_current = 3;
  EXPECT_EQ(findings_of(facts)[0].severity, Severity::warning) << "it was once";
}

TEST(LimitRules, APidsLimitOfAFewTasksIsFullByDesign) {
  Facts facts = healthy();
  facts.after.cgroup->pids_max = 3;
  EXPECT_EQ(found(facts), "");
}

TEST(LimitRules, Descriptors) {
  Facts facts = healthy();
  facts.before.processes[1].files = facts.after.processes[1].files = OpenFiles{.open = 921, .limit = 1024};
  EXPECT_EQ(found(facts), "");
  facts.after.processes[1].files->sockets = 900;
  facts.after.processes[1].files->open = 930;
  facts.before.processes[1].files->open = 929;
  EXPECT_EQ(found(facts), "descriptors: node (11) has 930 of 1024 descriptors open, 900 of them sockets, +60 a minute");
  facts.after.processes[1].files->open = 1024;
  EXPECT_EQ(findings_of(facts)[0].severity, Severity::critical);
  facts.after.processes[1].files->limit = std::nullopt;
  EXPECT_EQ(found(facts), "");
}

TEST(LimitRules, DescriptorsThatWillBeAllWithinTenMinutes) {
  Facts facts = healthy();
  facts.before.processes[1].files = OpenFiles{.open = 599, .limit = 1024};
  facts.after.processes[1].files = OpenFiles{.open = 600, .limit = 1024};
  EXPECT_EQ(found(facts), "descriptors: node (11) has 600 of 1024 descriptors open, 0 of them sockets, +60 a minute");
  facts.before.processes[1].stat.start_ticks = 999;
  EXPECT_EQ(found(facts), "") << "another process with that number";
  facts = healthy();
  facts.before.processes[1].files = OpenFiles{.open = 400, .limit = 1024};
  facts.after.processes[1].files = OpenFiles{.open = 500, .limit = 1024};
  EXPECT_EQ(found(facts), "") << "less than half";
  facts.before.processes[1].files = OpenFiles{.open = 5999, .limit = 10000};
  facts.after.processes[1].files = OpenFiles{.open = 6000, .limit = 10000};
  EXPECT_EQ(found(facts), "") << "in more than an hour";
}

TEST(LimitRules, CpuQuota) {
  Facts facts = healthy();
  facts.after.cgroup->stats.cpu_periods = 10;
  facts.after.cgroup->stats.cpu_throttled = 0;
  EXPECT_EQ(found(facts), "");
  facts.after.cgroup->stats.cpu_throttled = 3;
  facts.after.cgroup->stats.cpu_usage_us = 450000;
  EXPECT_EQ(
      found(facts),
      "cpu-quota: throttled in 30 % of its periods: it used 0.45 of its quota of 0.50 CPU; on the whole host tasks "
      "waited in 2 % of the time");
  facts.after.cgroup->stats.cpu_periods = 2;
  facts.after.cgroup->stats.cpu_throttled = 2;
  EXPECT_EQ(found(facts), "") << "too few periods";
}

TEST(LimitRules, CpuOfTheHost) {
  Facts facts = healthy();
  facts.after.cgroup->cpu_pressure = Pressure{290000, 0};
  EXPECT_EQ(found(facts), "");
  facts.after.cgroup->cpu_pressure = Pressure{600000, 0};
  facts.after.cgroup->stats.cpu_usage_us = 400000;
  EXPECT_EQ(found(facts),
            "cpu-host: its processes waited for a processor in 60 % of the time; it used 0.40 of the host's 2 CPUs");
  EXPECT_EQ(findings_of(facts)[0].severity, Severity::warning);
  facts.after.cgroup->stats.cpu_usage_us = 1900000;
  EXPECT_EQ(found(facts),
            "cpu-host: its processes waited for a processor in 60 % of the time; it used 1.90 of the host's 2 CPUs, so "
            "they wait for each other");
  EXPECT_EQ(findings_of(facts)[0].severity, Severity::note);
  facts.after.cgroup->stats.cpu_periods = 100;
  facts.after.cgroup->stats.cpu_throttled = 1;
  EXPECT_EQ(found(facts), "") << "it may have waited for its quota";
}

TEST(LimitRules, ACounterThatWentBackHasNotGrown) {
  Facts facts = healthy();
  facts.before.cgroup->stats.cpu_throttled = 500;
  facts.before.cgroup->stats.cpu_periods = 900;
  facts.before.cgroup->cpu_pressure = facts.before.cgroup->memory_pressure = Pressure{900000, 900000};
  facts.before.cgroup->stats.oom_kills = 9;
  EXPECT_EQ(found(facts), "");
}

}  // namespace
}  // namespace minirun
