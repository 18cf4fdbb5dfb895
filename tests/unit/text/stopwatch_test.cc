// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/stopwatch.h"

#include <gtest/gtest.h>
#include <time.h>

#include <limits>

namespace minirun {
namespace {

uint64_t tai_ns() {
  timespec now{};
  (void)clock_gettime(CLOCK_TAI, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

void compute_a_while() {
  volatile unsigned work = 0;
  for (unsigned i = 0; i < 100000; ++i) work = work + i;
}

TEST(Stopwatch, MeasuresNothingUntilItBegins) {
  begin_phase("lost");
  end_setup();
  add_timed_step("lost", "", {1, 2, 3, 4});
  fail_timed_step(1);
  EXPECT_FALSE(is_timed());
  EXPECT_FALSE(timing_so_far());
  EXPECT_FALSE(take_timing());
  begin_timing("run", "web1");
  auto timing = take_timing();
  ASSERT_TRUE(timing);
  EXPECT_FALSE(is_timed());
  ASSERT_EQ(timing->phases.size(), 1U);
  EXPECT_EQ(timing->phases[0].name, "prepare");
  EXPECT_EQ(timing->command + " " + timing->id, "run web1");
  EXPECT_TRUE(timing->steps.empty());
  EXPECT_FALSE(timing->setup_us);
  EXPECT_FALSE(timing->failed_step);
}

TEST(Stopwatch, PhasesAddUpToTheWhole) {
  begin_timing("run", "web1");
  for (const char* name : {"a", "b", "a", "c"}) {
    compute_a_while();
    begin_phase(name);
  }
  compute_a_while();
  end_setup();
  compute_a_while();
  auto timing = take_timing();
  ASSERT_TRUE(timing);
  ASSERT_EQ(timing->phases.size(), 4U);  // with "prepare"
  int64_t wall = 0, cpu = 0;
  for (const TimedPhase& phase : timing->phases) {
    wall += phase.spent.wall_us;
    cpu += phase.spent.cpu_us;
    EXPECT_GT(phase.spent.wall_us, 0) << phase.name;
  }
  EXPECT_EQ(wall, timing->wall_us);
  EXPECT_EQ(cpu, timing->cpu_us);
  EXPECT_GT(timing->phases[0].spent.cpu_us, 0);
  EXPECT_GT(timing->setup_us, timing->wall_us - timing->phases[3].spent.wall_us);
  EXPECT_LT(timing->setup_us, timing->wall_us);
}

TEST(Stopwatch, GoesOnAfterALook) {
  begin_timing("run", "web1");
  begin_phase("a");
  compute_a_while();
  auto so_far = timing_so_far();
  name_timing("web2");
  compute_a_while();
  begin_phase("b");
  auto timing = take_timing();
  ASSERT_TRUE(so_far && timing);
  EXPECT_EQ(so_far->phases.size(), 2U);
  EXPECT_EQ(timing->id, "web2");
  EXPECT_EQ(so_far->wall_us, so_far->phases[0].spent.wall_us + so_far->phases[1].spent.wall_us);
  EXPECT_GT(timing->phases[1].spent.wall_us, so_far->phases[1].spent.wall_us);
}

TEST(Stopwatch, StepsBeganAndEndedDuringTheCommand) {
  begin_timing("run", "web1");
  const uint64_t begun = tai_ns();
  compute_a_while();
  const uint64_t ended = tai_ns();
  add_timed_step("both", "/a", {begun, ended, 7000, 9000});
  add_timed_step("of a process that it made", "", {begun, ended, 7'000'000'000, 2000});
  add_timed_step("more CPU than time", "", {begun, ended, 0, 7'000'000'000});
  add_timed_step("begun", "", {begun, 0, 7000, 0});
  add_timed_step("not reached", "", {0, 0, 0, 0});
  fail_timed_step(4);
  auto timing = take_timing();
  ASSERT_TRUE(timing && timing->steps.size() == 5);
  EXPECT_EQ(timing->impossible_steps, 0U);
  EXPECT_EQ(timing->failed_step, 4U);
  EXPECT_EQ(timing->steps[0].origin, "/a");
  EXPECT_EQ(timing->steps[1].number, 2U);
  const auto wall_us = static_cast<int64_t>((ended - begun) / 1000);
  for (size_t i = 0; i < 3; i++) {
    ASSERT_TRUE(timing->steps[i].spent) << i;
    EXPECT_EQ(timing->steps[i].spent->wall_us, wall_us) << i;
    EXPECT_EQ(timing->steps[i].spent->cpu_us, i == 2 ? wall_us : std::min<int64_t>(2, wall_us)) << i;
    EXPECT_GE(timing->steps[i].begun_us, 0) << i;
  }
  EXPECT_TRUE(timing->steps[3].begun_us);
  EXPECT_FALSE(timing->steps[3].spent);
  EXPECT_FALSE(timing->steps[4].begun_us);
}

// A tracer of the child can write anything there.
TEST(Stopwatch, StampsOutsideTheCommandAreImpossible) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max(), kSecond = 1'000'000'000;
  const uint64_t before = tai_ns() - kSecond;
  begin_timing("run", "web1");
  const uint64_t inside = tai_ns(), after = inside + 1000 * kSecond;
  const StepStamp stamps[] = {{kMost, 1, kMost, 1},      {1, kMost, 1, kMost},   {before, inside, 0, 0},
                              {inside, after, 0, 0},     {inside, before, 0, 0}, {0, inside, 0, kMost},
                              {after, 0, 0, 0},          {before, 0, 0, 0},      {kMost, 0, 0, 0},
                              {inside, inside - 1, 0, 0}};
  for (const StepStamp& stamp : stamps) add_timed_step("step", "", stamp);
  add_timed_step("whatever its CPU clock", "", {inside, inside, kMost, kMost - 1});
  auto timing = take_timing();
  ASSERT_TRUE(timing);
  EXPECT_EQ(timing->impossible_steps, std::size(stamps));
  for (size_t i = 0; i < std::size(stamps); i++)
    EXPECT_TRUE(!timing->steps[i].begun_us && !timing->steps[i].spent) << i;
  EXPECT_EQ(timing->steps.back().spent->wall_us, 0);
  EXPECT_EQ(timing->steps.back().spent->cpu_us, 0);
}

}  // namespace
}  // namespace minirun
