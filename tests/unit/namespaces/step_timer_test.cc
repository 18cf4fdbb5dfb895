// SPDX-License-Identifier: Apache-2.0
#include "namespaces/step_timer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "namespaces/executor.h"
#include "tests/unit/namespaces/fake_kernel.h"

namespace minirun {
namespace {

// A walk through a plan, on a machine whose clocks go on by one nanosecond each time that they are read.
struct TimedWalk {
  TimedWalk(const Plan& plan, Stamping stamping, long refused = -1) : image(serialize(plan, {}, 9, stamping)) {
    kernel.answer = [&, refused](const FakeKernel::Call& call, long* result) {
      if (call.number == refused) return *result = -EPERM, true;
      if (call.number != __NR_clock_gettime) return false;
      reinterpret_cast<int64_t*>(call.argument[1])[1] = static_cast<int64_t>(++reads);
      return true;
    };
    Executor<FakeKernel> executor(kernel, reinterpret_cast<PlanHeader*>(image.data()));
    status = executor.run();
  }
  const Stamp& stamp(uint32_t step) const {
    const auto* header = reinterpret_cast<const PlanHeader*>(image.data());
    return reinterpret_cast<const Stamp*>(image.data() + header->stamps)[step];
  }

  std::string image;
  FakeKernel kernel;
  size_t reads = 0;
  int status = -1;
};

Plan three_steps(bool filtered) {
  PlanBuilder builder;
  builder.add(steps::Session{});
  if (filtered) builder.add(steps::Seccomp{});
  builder.add(steps::CloseOnExec{3});
  return builder.finish();
}

TEST(StepTimer, ReadsNoClockWithoutStamps) {
  TimedWalk walk(three_steps(true), Stamping::off);
  EXPECT_EQ(walk.status, 0);
  EXPECT_EQ(walk.reads, 0U);
}

TEST(StepTimer, ThePlanHasNoRoomForStampsWithoutThem) {
  const Plan plan = three_steps(true);
  constexpr size_t kAlignment = 8;
  const size_t without = serialize(plan, {}, 9).size(), with = serialize(plan, {}, 9, Stamping::all).size();
  EXPECT_EQ(with, (without + kAlignment - 1) / kAlignment * kAlignment + 3 * sizeof(Stamp));
}

// So that the time on a CPU is a part of the whole.
TEST(StepTimer, ReadsTheCpuClockBetweenTheOthers) {
  TimedWalk walk(three_steps(false), Stamping::until_filter);
  EXPECT_EQ(walk.reads, 8U);
  for (uint32_t step : {0U, 1U}) {
    EXPECT_EQ(walk.stamp(step).begun, 4 * step + 1U);
    EXPECT_EQ(walk.stamp(step).cpu_before, 4 * step + 2U);
    EXPECT_EQ(walk.stamp(step).cpu_used, 4 * step + 3U);
    EXPECT_EQ(walk.stamp(step).ended, 4 * step + 4U);
  }
}

TEST(StepTimer, ReadsNoClockOnceAFilterIsLoadedThatMayRefuseIt) {
  TimedWalk walk(three_steps(true), Stamping::until_filter);
  EXPECT_EQ(walk.reads, 6U);
  EXPECT_NE(walk.stamp(1).begun, 0U);
  EXPECT_EQ(walk.stamp(1).ended, 0U);
  EXPECT_EQ(walk.stamp(2).begun, 0U);
  EXPECT_EQ(TimedWalk(three_steps(true), Stamping::all).reads, 12U);
}

TEST(StepTimer, StampsAFailedStepToo) {
  TimedWalk walk(three_steps(false), Stamping::all, __NR_setsid);
  EXPECT_NE(walk.status, 0);
  EXPECT_EQ(walk.reads, 4U);
  EXPECT_NE(walk.stamp(0).ended, 0U);
  EXPECT_EQ(walk.stamp(1).begun, 0U);
}

// A clock that the host's filter refuses is no failure: the step has no time.
TEST(StepTimer, AClockThatIsRefusedStopsNoStep) {
  TimedWalk walk(three_steps(false), Stamping::all, __NR_clock_gettime);
  EXPECT_EQ(walk.status, 0);
  EXPECT_EQ(walk.stamp(0).begun, 0U);
  EXPECT_EQ(walk.stamp(0).ended, 0U);
}

}  // namespace
}  // namespace minirun
