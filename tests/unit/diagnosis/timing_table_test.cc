// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/timing_table.h"

#include <gtest/gtest.h>

namespace minirun {
namespace {

Timing two_steps() {
  Timing timing{"run", "web1", 300, 100, 250, {{"prepare", {100, 90}}, {"steps", {200, 10}}}, {}};
  timing.steps.push_back({1, "mount \x1b[2J", "/mounts/0", 120, Spent{70, 9}});
  timing.steps.push_back({2, "execute", "", std::nullopt, std::nullopt});
  return timing;
}

std::string json_of(const Timing& timing) {
  JsonWriter json;
  write_timing(json, timing);
  return json.take();
}

TEST(TimingTable, IsTheSameForPeopleAndPrograms) {
  EXPECT_EQ(timing_table(two_steps()),
            "minirun: timing of run web1: wall_us 300, of these setup_us 250\n"
            "   wall_us    cpu_us waited_us  phase of minirun\n"
            "       100        90        10  prepare\n"
            "       200        10       190  steps\n"
            "       300       100       200  all\n"
            "   wall_us    cpu_us waited_us  step, as the container's side says\n"
            "        70         9        61     1 mount \\x1b[2J  <- /mounts/0\n"
            "         -         -         -     2 execute");
  EXPECT_EQ(json_of(two_steps()),
            R"({"command":"run","id":"web1","setup_us":250,"wall_us":300,"cpu_us":100,"waited_us":200,)"
            R"("phases":[{"phase":"prepare","wall_us":100,"cpu_us":90,"waited_us":10},)"
            R"({"phase":"steps","wall_us":200,"cpu_us":10,"waited_us":190}],"steps_from":"container",)"
            R"("steps":[{"step":1,"does":"mount \u001b[2J","origin":"/mounts/0","begun_us":120,)"
            R"("wall_us":70,"cpu_us":9,"waited_us":61},{"step":2,"does":"execute","origin":""}]})");
}

TEST(TimingTable, NamesTheStepThatFailedAndCountsImpossibleOnes) {
  Timing timing = two_steps();
  timing.id.clear();
  timing.setup_us.reset();
  timing.failed_step = 1;
  timing.impossible_steps = 3;
  std::string table = timing_table(timing);
  EXPECT_TRUE(table.starts_with("minirun: timing of run, whose step 1 failed: wall_us 300\n")) << table;
  EXPECT_NE(table.find("1 mount \\x1b[2J  <- /mounts/0  (failed)\n"), std::string::npos) << table;
  EXPECT_NE(table.find("\nminirun: steps with times outside of the command, which are left out: 3 ("),
            std::string::npos)
      << table;
  std::string json = json_of(timing);
  EXPECT_NE(json.find(R"(],"failed_step":1,"steps_from")"), std::string::npos) << json;
  EXPECT_TRUE(json.ends_with(R"(],"impossible_steps":3})")) << json;
}

TEST(TimingTable, StepsThatWereNotReachedAreOneRow) {
  Timing timing = two_steps();
  for (uint32_t number = 3; number < 40; number++) timing.steps.push_back({number, "mask", "", std::nullopt, {}});
  EXPECT_TRUE(
      timing_table(timing).ends_with("  1 mount \\x1b[2J  <- /mounts/0\n         -         -         -     2 to 39"))
      << timing_table(timing);
  timing.steps[37].begun_us = 1;
  EXPECT_NE(timing_table(timing).find("     2 to 37\n         -         -         -    38 mask\n"), std::string::npos)
      << timing_table(timing);
}

// `start` has none of its own.
TEST(TimingTable, WithoutStepsHasOnlyPhases) {
  Timing timing = two_steps();
  timing.steps.clear();
  EXPECT_TRUE(timing_table(timing).ends_with("  all"));
  EXPECT_EQ(json_of(timing).find("steps_from"), std::string::npos);
}

}  // namespace
}  // namespace minirun
