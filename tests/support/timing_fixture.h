// SPDX-License-Identifier: Apache-2.0
// A command with --timing-json, and what it printed.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "tests/support/exec_fixture.h"
#include "tests/support/json_schema.h"

namespace minirun::testing {

inline int64_t sum_of(const nlohmann::json& rows, const char* key) {
  int64_t sum = 0;
  for (const nlohmann::json& row : rows) sum += row.value(key, int64_t{0});
  return sum;
}

inline nlohmann::json phase_of(const nlohmann::json& timing, const std::string& name) {
  for (const nlohmann::json& phase : timing["phases"])
    if (phase["phase"] == name) return phase;
  ADD_FAILURE() << "no phase " << name << " in " << timing.dump();
  return {{"wall_us", -1}, {"cpu_us", -1}, {"waited_us", -1}};
}

// What holds of each, whatever it measured.
inline void expect_sound(const nlohmann::json& timing) {
  EXPECT_EQ(schema_problem(timing_schema(), timing), "") << timing;
  EXPECT_EQ(sum_of(timing["phases"], "wall_us"), timing["wall_us"]) << timing;
  EXPECT_EQ(sum_of(timing["phases"], "cpu_us"), timing["cpu_us"]) << timing;
  const auto whole = timing["wall_us"].get<int64_t>();
  EXPECT_LE(timing.value("setup_us", int64_t{0}), whole) << timing;
  for (const nlohmann::json& step : timing.value("steps", nlohmann::json::array())) {
    constexpr int64_t kRounding = 2;
    const auto wall = step.value("wall_us", int64_t{0});
    EXPECT_LE(step.value("begun_us", int64_t{0}) + wall, whole + kRounding) << step;
    EXPECT_LE(step.value("cpu_us", int64_t{0}), wall) << step;
  }
}

// The one line of stderr that is JSON.
inline nlohmann::json timing_in(const std::string& err) {
  std::istringstream lines(err);
  nlohmann::json found = nullptr;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('{')) continue;
    EXPECT_TRUE(found.is_null()) << err;
    found = nlohmann::json::parse(line, nullptr, false);
  }
  if (!found.is_object()) {
    ADD_FAILURE() << "no timing: " << err;
    return {{"phases", nlohmann::json::array()}, {"steps", nlohmann::json::array()}, {"wall_us", -1}, {"setup_us", -1}};
  }
  expect_sound(found);
  return found;
}

// Of a launch that nothing disturbs: every step has its time, but for those of which this is said.
inline void expect_all_steps_timed(const nlohmann::json& timing, size_t without) {
  EXPECT_FALSE(timing.contains("impossible_steps")) << timing;
  size_t untimed = 0;
  for (const nlohmann::json& step : timing["steps"]) untimed += step.contains("wall_us") ? 0 : 1;
  EXPECT_EQ(untimed, without) << timing;
}

class TimingTest : public ExecTest {
 protected:
  nlohmann::json timed_run(const std::vector<std::string>& flags, int status = 0) {
    std::vector<std::string> all = {"--timing-json"};
    all.insert(all.end(), flags.begin(), flags.end());
    outcome_ = run(bundle_, all);
    EXPECT_EQ(outcome_.code, status) << describe(outcome_);
    nlohmann::json timing = timing_in(outcome_.err);
    EXPECT_EQ(timing["command"], "run");
    EXPECT_EQ(timing["id"], id());
    return timing;
  }
  Outcome outcome_;
};

}  // namespace minirun::testing
