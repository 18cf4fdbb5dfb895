// SPDX-License-Identifier: Apache-2.0
// The exit report: why a workload ended, and what it used (docs/explain.md). Pure: facts in, a cause and JSON out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cgroups/usage.h"
#include "runtime/diagnosis/death.h"
#include "runtime/diagnosis/refusals.h"
#include "runtime/text/json_writer.h"
#include "runtime/text/stopwatch.h"
#include "sys/result.h"

namespace minirun {

enum class Cause : uint8_t {
  unknown,
  exited,
  signal,
  oom,
  seccomp,
  timeout,
  cpu_time,
  exec_failed,
  setup_failed,
  stopped,
  runtime_killed,
};

// The names in the JSON, for `features`, in the order of Cause.
inline constexpr const char* kCauses =
    "exited signal oom seccomp timeout cpu-time exec-failed setup-failed stopped runtime-killed";

// A signal that asked the workload to end, by minirun or passed on by it.
struct StopFacts {
  int signal = 0;                   // 0: none
  bool killed = false;              // SIGKILL followed, as it did not end
  std::optional<int64_t> pid, uid;  // of the sender
};

// What the container's init says of the workload, beside its status.
struct OwnUsage {
  std::optional<uint64_t> user_us, system_us, max_rss_bytes;  // getrusage(2)
  bool any() const { return user_us || system_us || max_rss_bytes; }
};

// Which processes the counters are about.
enum class CountersOf : uint8_t {
  nothing,    // it has no cgroup
  own,        // all that it started, and nothing else
  container,  // of exec without a tree: what the whole container used meanwhile
  gone,       // the cgroup was removed before minirun could read it
};

// Who says how it ended.
enum class StatusSource : uint8_t { unknown, kernel, init, record };

struct ExitReport {
  std::string command;                          // that reports: "run"
  DeathFacts death;                             // id, status, memory and pids: the line on stderr is made of these
  std::optional<int> exit_status;               // the command's, as in a shell
  StatusSource source = StatusSource::unknown;  // unknown: death.wait_status is meaningless
  bool own_wait_status = false;                 // death.wait_status is the workload's own
  std::string limit;                            // of a deadline that ended it: "timeout", "cpu-time"; "": none
  StopFacts stop;
  bool runtime_killed = false;  // its minirun was killed, and it with it
  std::optional<Error> error;   // it never ran
  CountersOf counters = CountersOf::nothing;
  std::optional<Refusals> refusals;  // what --explain-seccomp has counted
  Usage usage;                       // since its creation
  OwnUsage own_usage;
  std::string created, started, ended;  // RFC 3339, UTC; "": not known
  bool ended_from_init = false;         // the container's init says when it ended
  std::optional<uint64_t> setup_us, wall_us;
  std::optional<Timing> timing;  // with --timing
};

Cause cause_of(const ExitReport& report);

// As one object. What is not known is left out.
void write_report(JsonWriter& json, const ExitReport& report);
// The same as a line.
std::string report_line_of(const ExitReport& report);

// What is known of memory and pids, for the line on stderr.
void take_usage(const Usage& usage, DeathFacts* facts);

// Which limit above the container's was reached meanwhile. before: null if it is not known.
void take_ancestors(const Ancestors* before, const Ancestors& now, MemoryFacts* memory);

}  // namespace minirun
