// SPDX-License-Identifier: Apache-2.0
// --timing: how long the phases of this command take. Until begin_timing() these calls do nothing, and make no system
// call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace minirun {

// Microseconds. waited_us(): not on a CPU, because the kernel, another process or a disk had to answer first.
struct Spent {
  int64_t wall_us = 0;
  int64_t cpu_us = 0;
  int64_t waited_us() const { return wall_us > cpu_us ? wall_us - cpu_us : 0; }
};

struct TimedPhase {
  std::string name;
  Spent spent;
};

// A step of the plan, with the number and the text of `minirun plan`. `begun_us` counts from the start of the command.
// Without `spent` its end is not known: it became the workload or its init, the launch failed before, or a seccomp
// filter might have refused the clocks.
struct TimedStep {
  uint32_t number = 0;  // from 1
  std::string text{};
  std::string origin{};               // JSON pointer, or ""
  std::optional<int64_t> begun_us{};  // none: not reached, or under such a filter
  std::optional<Spent> spent{};
};

// A step as the container's side has stamped it: namespaces/plan.h, Stamp.
struct StepStamp {
  uint64_t begun_ns, ended_ns, cpu_before_ns, cpu_used_ns;
};

// Everything that --timing measures. The wall times of the phases add up to wall_us, and their CPU times to cpu_us.
struct Timing {
  std::string command{};
  std::string id{};  // "": the launch failed before it had one
  int64_t wall_us = 0;
  int64_t cpu_us = 0;                 // of this process alone
  std::optional<int64_t> setup_us{};  // of wall_us: until the workload ran, or waited for start
  std::vector<TimedPhase> phases{};   // in their order; one that comes several times is added up
  std::vector<TimedStep> steps{};     // the container's side measured them: their times are its word
  std::optional<uint32_t> failed_step{};
  uint32_t impossible_steps = 0;  // how many of them had times outside the command, which are left out
};

// The first phase is "prepare".
void begin_timing(std::string command, std::string id);
// Of a command that makes up the id of its container.
void name_timing(const std::string& id);
bool is_timed();
// The next phase; the one before it is over.
void begin_phase(const char* name);
// The set-up is over.
void end_setup();
// The stamp may have been written by anything in the container: times outside the command count as impossible.
void add_timed_step(std::string text, std::string origin, const StepStamp& stamp);
// number: from 1.
void fail_timed_step(uint32_t number);
// What was measured until now, while measuring goes on. Nothing without begin_timing().
std::optional<Timing> timing_so_far();
// The same at the end: from here on nothing is measured.
std::optional<Timing> take_timing();

}  // namespace minirun
