// SPDX-License-Identifier: Apache-2.0
#include "runtime/inspect/top_table.h"

#include <gtest/gtest.h>

#include "tests/unit/inspect/facts.h"

namespace minirun {
namespace {

ContainerUsage usage() {
  Sample before = healthy_sample();
  Sample after = healthy_sample();
  after.time += std::chrono::seconds(2);
  after.cgroup->stats.cpu_usage_us = 500000;
  after.cgroup->stats.cpu_periods = 20;
  after.cgroup->stats.cpu_throttled = 5;
  after.cgroup->memory_pressure = Pressure{800000, 0};
  after.processes[1].files = OpenFiles{.open = 981, .limit = 1024};
  after.processes[1].stat.cpu_ticks = 50;
  ContainerUsage row = usage_of(&before, after);
  row.of_each = process_usage_of(&before, after);
  return row;
}

TEST(TopTable, IsARowForEachIn80Columns) {
  auto lines = container_table({usage()}, 80);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].text, "ID        CPU% QUOTA THR%   MEM LIMIT WAIT PROCS   Z       FDS OOM");
  EXPECT_EQ(lines[1].text, "web1        25    50   25  100M  256M  m40     3   0  981/1024   0");
  EXPECT_EQ(lines[0].tone, Tone::title);
  EXPECT_EQ(lines[1].tone, Tone::warning);
}

TEST(TopTable, WiderOnesShowMore) {
  std::string before;
  for (size_t width : {40U, 60U, 80U, 100U, 120U, 140U, 160U, 200U}) {
    auto lines = container_table({usage()}, width);
    for (const Line& line : lines) EXPECT_LE(line.text.size(), width) << line.text;
    EXPECT_GE(lines[0].text.size(), before.size()) << width;
    before = lines[0].text;
  }
  EXPECT_NE(before.find("STATUS"), before.npos);
  EXPECT_NE(before.find("OPENED BY"), before.npos);
}

TEST(TopTable, UnknownNumbersAreNoZeros) {
  ContainerUsage row{.id = "a", .status = "running", .pid = 7, .processes = 1};
  EXPECT_EQ(container_table({row}, 80)[1].text, "a            -     -    -     -     -    -     1   -         -   -");
  row = {.id = "a", .status = "stopped"};
  EXPECT_EQ(container_table({row}, 80)[1].text, "a        stopped");
  row = {.id = "a", .status = "unknown", .problem = "read cgroup.procs: permission denied"};
  EXPECT_EQ(container_table({row}, 80)[1].text, "a        unknown: read cgroup.procs: permission denied");
}

TEST(TopTable, LongIdsAndNamesAreCut) {
  ContainerUsage row = usage();
  row.id = std::string(255, 'x');
  auto lines = container_table({row}, 80);
  EXPECT_EQ(lines[1].text.size(), 80u);
  EXPECT_EQ(lines[1].text.substr(0, 22), "xxxxxxxxxxxxxxxxxxxxx+");
  EXPECT_EQ(cut_to_width("äöü", 3), "äöü");
  EXPECT_EQ(cut_to_width("äöüß", 3), "äö+");
  EXPECT_EQ(cut_to_width("abc", 0), "");
}

TEST(TopTable, ProcessesTheBusiestFirst) {
  ContainerUsage row = usage();
  row.of_each[1].name = "\033]0;x\a\n";
  auto lines = process_table(row, 80);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].text, "    PID    PPID S  CPU%   MEM  THR           FDS NAME");
  EXPECT_EQ(lines[1].text, "     11      10 S    25   11M    1      981/1024 node");
  EXPECT_EQ(lines[2].text, "     12      11 S   0.0   12M    1       10/1024 \\x1b]0;x\\x07\\x0a");
}

TEST(TopTable, OrderIsByUseThenById) {
  std::vector<ContainerUsage> rows(5);
  const char* ids[] = {"stopped", "b", "a", "busy", "first"};
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = {.id = ids[i], .pid = i > 0 ? 7 : 0};
  rows[1].cpu_percent = rows[2].cpu_percent = 0;
  rows[3].cpu_percent = 90;
  sort_by_use(&rows);
  std::string order;
  for (const auto& row : rows) order += row.id + " ";
  EXPECT_EQ(order, "busy a b first stopped ");
}

TEST(Usage, FirstLookKnowsNoRates) {
  ContainerUsage row = usage_of(nullptr, healthy_sample());
  EXPECT_FALSE(row.cpu_percent || row.throttled_percent || row.cpu_wait_percent);
  EXPECT_TRUE(row.memory_bytes && row.processes);
}

TEST(Usage, AnotherContainerOfTheSameIdHasNoRates) {
  Sample before = healthy_sample();
  Sample after = healthy_sample();
  after.time += std::chrono::seconds(1);
  before.first = 99;
  before.processes[1].stat.start_ticks = 5;
  EXPECT_FALSE(usage_of(&before, after).cpu_percent);
  for (const ProcessUsage& process : process_usage_of(&before, after))
    EXPECT_EQ(process.cpu_percent.has_value(), process.pid != 11) << process.pid;
}

TEST(Usage, WithoutControllersNothingIsInvented) {
  Sample sample = healthy_sample();
  sample.cgroup = CgroupFacts();
  std::string json = top_json({usage_of(&sample, sample)}, "T", 0, false);
  EXPECT_EQ(json,
            "{\"time\":\"T\",\"interval_s\":0.000,\"containers\":[{\"id\":\"web1\",\"status\":\"running\",\"pid\":10,"
            "\"processes\":3,\"zombies\":0,\"fullest\":{\"pid\":10,\"name\":\"minirun-init\",\"open_files\":10,"
            "\"open_files_limit\":1024}}]}\n");
}

}  // namespace
}  // namespace minirun
