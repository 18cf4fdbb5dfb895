// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/timing_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/text/shown.h"

namespace minirun {
namespace {

constexpr const char* kTimingColumns = "\n{:>10} {:>9} {:>9}  {}";

std::string timing_row(const Spent& spent, const std::string& what) {
  return fmt::format(kTimingColumns, spent.wall_us, spent.cpu_us, spent.waited_us(), what);
}

std::string step_row(const TimedStep& step, bool failed) {
  std::string what = fmt::format("{:4} {}", step.number, shown_line(step.text));
  if (!step.origin.empty()) what += shown_line("  <- " + step.origin);
  if (failed) what += "  (failed)";
  return step.spent ? timing_row(*step.spent, what) : fmt::format(kTimingColumns, "-", "-", "-", what);
}

// Steps that were not reached, or came under a filter, are one row if they are many.
std::string step_rows(const Timing& timing) {
  constexpr uint32_t kMany = 5;
  std::string out;
  const auto& steps = timing.steps;
  for (auto at = steps.begin(); at != steps.end();) {
    auto end = std::find_if(at, steps.end(), [](const TimedStep& step) { return step.begun_us.has_value(); });
    if (end - at >= kMany) {
      out += fmt::format(kTimingColumns, "-", "-", "-", fmt::format("{:4} to {}", at->number, (end - 1)->number));
      at = end;
    } else {
      out += step_row(*at, timing.failed_step == at->number);
      ++at;
    }
  }
  return out;
}

void write_spent(JsonWriter& json, const Spent& spent) {
  json.key("wall_us").number(spent.wall_us).key("cpu_us").number(spent.cpu_us);
  json.key("waited_us").number(spent.waited_us());
}

void write_timed_steps(JsonWriter& json, const Timing& timing) {
  if (timing.steps.empty()) return;
  json.key("steps_from").string("container").key("steps").begin_array();
  for (const TimedStep& step : timing.steps) {
    json.begin_object().key("step").unsigned_number(step.number);
    json.key("does").string(step.text).key("origin").string(step.origin);
    if (step.begun_us) json.key("begun_us").number(*step.begun_us);
    if (step.spent) write_spent(json, *step.spent);
    json.end_object();
  }
  json.end_array();
  if (timing.impossible_steps > 0) json.key("impossible_steps").unsigned_number(timing.impossible_steps);
}

}  // namespace

std::string timing_table(const Timing& timing) {
  std::string out =
      fmt::format("minirun: timing of {}{}{}", timing.command, timing.id.empty() ? "" : " ", shown_line(timing.id));
  if (timing.failed_step) out += fmt::format(", whose step {} failed", *timing.failed_step);
  out += fmt::format(": wall_us {}", timing.wall_us);
  if (timing.setup_us) out += fmt::format(", of these setup_us {}", *timing.setup_us);
  out += fmt::format(kTimingColumns, "wall_us", "cpu_us", "waited_us", "phase of minirun");
  for (const TimedPhase& phase : timing.phases) out += timing_row(phase.spent, phase.name);
  out += timing_row({timing.wall_us, timing.cpu_us}, "all");
  if (timing.steps.empty()) return out;
  out += fmt::format(kTimingColumns, "wall_us", "cpu_us", "waited_us", "step, as the container's side says");
  out += step_rows(timing);
  if (timing.impossible_steps > 0)
    out += fmt::format(
        "\nminirun: steps with times outside of the command, which are left out: {} (the clock was set, or a process "
        "in the container wrote them)",
        timing.impossible_steps);
  return out;
}

void write_timing(JsonWriter& json, const Timing& timing) {
  json.begin_object().key("command").string(timing.command).key("id").string(timing.id);
  if (timing.setup_us) json.key("setup_us").number(*timing.setup_us);
  write_spent(json, {timing.wall_us, timing.cpu_us});
  json.key("phases").begin_array();
  for (const TimedPhase& phase : timing.phases) {
    json.begin_object().key("phase").string(phase.name);
    write_spent(json, phase.spent);
    json.end_object();
  }
  json.end_array();
  if (timing.failed_step) json.key("failed_step").unsigned_number(*timing.failed_step);
  write_timed_steps(json, timing);
  json.end_object();
}

}  // namespace minirun
