// SPDX-License-Identifier: Apache-2.0
// --timing under attack: the times of the steps are in memory that the container's side writes, so a tracer in the
// container can write there too, while a process of minirun's is on its way to its exec.
#include <chrono>

#include "tests/attacks/tracer_fixture.h"
#include "tests/support/timing_fixture.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

class TimingTracer : public Tracer {
 protected:
  // Ends in time, whatever the tracer did.
  Outcome in_time(const std::vector<std::string>& words) {
    auto began = Clock::now();
    Outcome outcome = Running(minirun(words), {}).finish();
    EXPECT_LT(Clock::now() - began, std::chrono::seconds(10) * slowness()) << describe(outcome);
    return outcome;
  }
  void expect_scribbled() {
    std::string said = end_and_hear();
    EXPECT_EQ(said.find("scribbled 0\n"), std::string::npos) << "nothing was caught: " << said;
  }
};

// What cannot be is left out and counted, what is left lies within the command, and the texts are minirun's own.
void expect_bounded(const json& timing, size_t steps) {
  ASSERT_EQ(timing["steps"].size(), steps) << timing;
  EXPECT_EQ(timing["steps_from"], "container");
  size_t untimed = 0;
  for (const json& step : timing["steps"]) untimed += step.contains("wall_us") ? 0 : 1;
  EXPECT_GE(untimed, timing.value("impossible_steps", size_t{0})) << timing;
  EXPECT_FALSE(timing.contains("failed_step")) << timing;
}

TEST_F(TimingTracer, CannotGiveAnExecTimesThatCannotBe) {
  Bundle bundle;
  start_tracer(bundle, {}, {"scribble-times", "times"});
  size_t impossible = 0;
  for (int i = 0; i < rounds(); ++i) {
    Outcome outcome = in_time({"exec", "--timing-json", id(), "/bin/payload", "true"});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    json timing = timing_in(outcome.err);
    expect_bounded(timing, timing["steps"].size());
    impossible += timing.value("impossible_steps", size_t{0});
  }
  expect_scribbled();
  EXPECT_GT(impossible, 0U);
}

TEST_F(TimingTracer, CannotGiveARunThatJoinsItTimesThatCannotBe) {
  Bundle pod, other;
  start_tracer(pod, {}, {"scribble-times", "times"});
  other.join_namespace("pid", "/proc/" + std::to_string(container_pid()) + "/ns/pid");
  other.payload({"true"});
  other.write();
  size_t impossible = 0, steps = json::parse(call({"plan", "--format", "json", other.path()}).out)["steps"].size();
  for (int i = 0; i < rounds(); ++i) {
    Outcome outcome = in_time({"run", "--timing-json", "--bundle", other.path(), "other"});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    json timing = timing_in(outcome.err);
    expect_bounded(timing, steps);
    impossible += timing.value("impossible_steps", size_t{0});
  }
  expect_scribbled();
  EXPECT_GT(impossible, 0U);
}

// Where the times are is known from before: the process that is caught ends at worst, and with it its launch.
TEST_F(TimingTracer, CannotMoveThemElsewhere) {
  Bundle bundle;
  start_tracer(bundle, {}, {"scribble-times", "place"});
  for (int i = 0; i < rounds(); ++i) {
    Outcome outcome = in_time({"exec", "--timing-json", id(), "/bin/payload", "true"});
    EXPECT_TRUE(outcome.code == 0 || outcome.code == 255) << describe(outcome);
    (void)timing_in(outcome.err);
  }
  expect_scribbled();
}

}  // namespace
}  // namespace minirun::testing
