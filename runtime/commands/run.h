// SPDX-License-Identifier: Apache-2.0
// The end of a foreground run, also for `restore`.
#pragma once

#include "runtime/commands/command.h"
#include "runtime/commands/deadline_options.h"
#include "runtime/commands/report_facts.h"
#include "runtime/commands/report_target.h"
#include "runtime/launch/create.h"
#include "sys/result.h"

namespace minirun {

struct ForegroundRun {
  const char* command;         // "run"
  bool keep = false;           // the record stays
  DeadlineOptions deadline{};  // as it was given, for the explanation
  const Reporting& reporting;
  ReportClock clock{};
};

// The rest of a foreground run, from a workload that runs: supervises it until it ends, explains its end, and takes
// away what is left. The outcome is the workload's exit status, or that of a deadline.
Result<Outcome> supervise_to_end(Launch& launch, Container& container, const ForegroundRun& run);

}  // namespace minirun
