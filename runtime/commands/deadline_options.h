// SPDX-License-Identifier: Apache-2.0
// --timeout, --cpu-time and --grace.
#pragma once

#include <optional>
#include <string>

#include "runtime/commands/options.h"
#include "runtime/supervise/deadline.h"
#include "runtime/supervise/supervisor.h"
#include "sys/result.h"

namespace minirun {

// For `features`.
inline constexpr const char* kDeadlineFeatures = "timeout cpu-time grace tree";

struct DeadlineOptions {
  std::optional<std::string> timeout;
  std::optional<std::string> cpu_time;
  std::optional<std::string> grace;

  bool any() const { return timeout || cpu_time; }
};

void describe(Options& options, DeadlineOptions& deadline);

// The time of --timeout begins with this call. The stop signal is left to the caller.
Result<Deadline> read_deadline(const DeadlineOptions& options);

// For messages: "timed out after 5s (--timeout), and ended within 10s of its stop signal". "" if no limit was reached.
std::string describe_limit(const DeadlineOptions& options, const Ended& ended);

// For programs: the cause of an `exited` event.
const char* cause_of(TimeLimit limit);

}  // namespace minirun
