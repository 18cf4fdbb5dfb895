// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/deadline_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/text/duration.h"

namespace minirun {
namespace {

using std::chrono::nanoseconds;

// Longer than any machine runs, and within the clock's range.
constexpr nanoseconds kForEver = std::chrono::hours(24 * 365 * 100);

constexpr const char* kDefaultGrace = "10s";

Result<nanoseconds> read_span(const char* option, const std::string& text, bool may_be_zero) {
  auto span = parse_duration(text);
  if (!span.ok()) return wrap(span.error(), option);
  if (*span == nanoseconds(0) && !may_be_zero)
    return fail(ErrorKind::usage, "{} {}: must be more than 0", option, text);
  return std::min(*span, kForEver);
}

}  // namespace

void describe(Options& options, DeadlineOptions& deadline) {
  options.group("Deadlines");
  options.value("--timeout", "TIME", deadline.timeout,
                "end what still runs after this time, such as 500ms, 10s or 1m30s; status 124");
  options.value("--cpu-time", "TIME", deadline.cpu_time,
                "end it when all its processes together have used this much CPU time; status 124");
  options.value("--grace", "TIME", deadline.grace,
                "the time from the stop signal to SIGKILL then (default: 10s; 0: SIGKILL at once)");
}

Result<Deadline> read_deadline(const DeadlineOptions& options) {
  Deadline deadline;
  if (options.timeout) deadline.end = Deadline::Clock::now() + TRY(read_span("--timeout", *options.timeout, false));
  if (options.cpu_time) deadline.cpu_time = TRY(read_span("--cpu-time", *options.cpu_time, false));
  if (!options.grace) return deadline;
  if (!options.any())
    return fail(ErrorKind::usage, "--grace {}: is for --timeout and --cpu-time, and neither is given", *options.grace);
  deadline.grace = TRY(read_span("--grace", *options.grace, true));
  return deadline;
}

std::string describe_limit(const DeadlineOptions& options, const Ended& ended) {
  if (ended.limit == TimeLimit::none) return "";
  std::string what = ended.limit == TimeLimit::timeout
                         ? fmt::format("timed out after {} (--timeout)", options.timeout.value_or(""))
                         : fmt::format("has used {} of CPU time (--cpu-time)", options.cpu_time.value_or(""));
  std::string grace = options.grace.value_or(kDefaultGrace);
  if (!ended.killed_for_it) return fmt::format("{}; ended within {} of its stop signal", what, grace);
  auto span = parse_duration(grace);
  bool at_once = span.ok() && *span == nanoseconds(0);
  return at_once ? what + "; killed"
                 : fmt::format("{}; killed, as it did not end within {} of its stop signal", what, grace);
}

const char* cause_of(TimeLimit limit) {
  switch (limit) {
    case TimeLimit::timeout:
      return "timeout";
    case TimeLimit::cpu_time:
      return "cpu-time";
    case TimeLimit::none:
      break;
  }
  return "";
}

}  // namespace minirun
