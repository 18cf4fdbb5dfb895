// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/stopwatch.h"

#include <time.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace minirun {
namespace {

struct Stopwatch {
  bool runs = false;
  int64_t wall_began_ns = 0, cpu_began_ns = 0;
  int64_t tai_ahead_ns = 0;                   // of CLOCK_MONOTONIC
  int64_t wall_last_us = 0, cpu_last_us = 0;  // since the beginning, when a phase was last added to
  size_t phase = 0;
  Timing timing{};
};

Stopwatch& stopwatch() {
  static Stopwatch watch;
  return watch;
}

int64_t read_clock_ns(clockid_t clock) {
  timespec now{};
  (void)clock_gettime(clock, &now);  // these clocks always exist
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Of two readings of the other clock it lies in the middle, unless this process lost its CPU between them: then another
// try is better.
int64_t read_tai_ahead_ns() {
  constexpr int kTries = 5;
  int64_t ahead = 0, closest = std::numeric_limits<int64_t>::max();
  for (int i = 0; i < kTries; i++) {
    const int64_t before = read_clock_ns(CLOCK_MONOTONIC), tai = read_clock_ns(CLOCK_TAI);
    const int64_t took = read_clock_ns(CLOCK_MONOTONIC) - before;
    if (took >= closest) continue;
    closest = took;
    ahead = tai - before - took / 2;
  }
  return ahead;
}

// Rounded, so that differences between moments add up.
int64_t microseconds_since(clockid_t clock, int64_t began_ns) {
  return (read_clock_ns(clock) - began_ns) / 1000;
}

// The time since the last call belongs to the present phase.
void add_to_phase(Stopwatch& watch) {
  Spent& spent = watch.timing.phases[watch.phase].spent;
  int64_t cpu_us = microseconds_since(CLOCK_PROCESS_CPUTIME_ID, watch.cpu_began_ns);
  int64_t wall_us = microseconds_since(CLOCK_MONOTONIC, watch.wall_began_ns);
  spent.wall_us += wall_us - std::exchange(watch.wall_last_us, wall_us);
  spent.cpu_us += cpu_us - std::exchange(watch.cpu_last_us, cpu_us);
  watch.timing.wall_us = wall_us;
  watch.timing.cpu_us = cpu_us;
}

// The time on a CPU is a part of the whole; two clocks differ by a little.
Spent spent_in(const StepStamp& stamp) {
  auto microseconds = [](uint64_t from, uint64_t to) { return static_cast<int64_t>((to - from) / 1000); };
  // The CPU clock of a process that the step made began with it.
  uint64_t before = stamp.cpu_used_ns < stamp.cpu_before_ns ? 0 : stamp.cpu_before_ns;
  Spent spent{microseconds(stamp.begun_ns, stamp.ended_ns), microseconds(before, stamp.cpu_used_ns)};
  spent.cpu_us = std::clamp<int64_t>(spent.cpu_us, 0, spent.wall_us);
  return spent;
}

}  // namespace

void begin_timing(std::string command, std::string id) {
  Stopwatch& watch = stopwatch();
  watch = {};
  watch.runs = true;
  watch.timing.command = std::move(command);
  watch.timing.id = std::move(id);
  watch.timing.phases.push_back({"prepare", {}});
  watch.tai_ahead_ns = read_tai_ahead_ns();
  watch.wall_began_ns = read_clock_ns(CLOCK_MONOTONIC);
  watch.cpu_began_ns = read_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

void name_timing(const std::string& id) {
  stopwatch().timing.id = id;
}

bool is_timed() {
  return stopwatch().runs;
}

void begin_phase(const char* name) {
  Stopwatch& watch = stopwatch();
  if (!watch.runs) return;
  add_to_phase(watch);
  auto& phases = watch.timing.phases;
  auto found = std::find_if(phases.begin(), phases.end(), [&](const TimedPhase& phase) { return phase.name == name; });
  if (found == phases.end()) found = phases.insert(phases.end(), {name, {}});
  watch.phase = static_cast<size_t>(found - phases.begin());
}

void end_setup() {
  Stopwatch& watch = stopwatch();
  if (!watch.runs) return;
  add_to_phase(watch);
  watch.timing.setup_us = watch.wall_last_us;
}

void add_timed_step(std::string text, std::string origin, const StepStamp& stamp) {
  Stopwatch& watch = stopwatch();
  if (!watch.runs) return;
  Timing& timing = watch.timing;
  TimedStep step{static_cast<uint32_t>(timing.steps.size() + 1), std::move(text), std::move(origin)};
  const auto first = static_cast<uint64_t>(watch.wall_began_ns + watch.tai_ahead_ns);
  const auto now = static_cast<uint64_t>(read_clock_ns(CLOCK_MONOTONIC) + watch.tai_ahead_ns);
  constexpr uint64_t kSlack = 1000;  // between the clocks
  auto within = [&](uint64_t moment) { return moment >= first - kSlack && moment <= now + kSlack; };
  const bool begun = stamp.begun_ns != 0, ended = stamp.ended_ns != 0;
  const bool possible = (!begun || within(stamp.begun_ns)) &&
                        (!ended || (begun && stamp.begun_ns <= stamp.ended_ns && within(stamp.ended_ns)));
  if (!possible) timing.impossible_steps++;
  if (possible && begun) step.begun_us = static_cast<int64_t>((std::max(stamp.begun_ns, first) - first) / 1000);
  if (possible && ended) step.spent = spent_in(stamp);
  timing.steps.push_back(std::move(step));
}

void fail_timed_step(uint32_t number) {
  if (is_timed()) stopwatch().timing.failed_step = number;
}

std::optional<Timing> timing_so_far() {
  Stopwatch& watch = stopwatch();
  if (!watch.runs) return std::nullopt;
  add_to_phase(watch);
  return watch.timing;
}

std::optional<Timing> take_timing() {
  auto timing = timing_so_far();
  stopwatch().runs = false;
  return timing;
}

}  // namespace minirun
