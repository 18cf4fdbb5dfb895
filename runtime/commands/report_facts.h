// SPDX-License-Identifier: Apache-2.0
// Gathers what an exit report says.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "runtime/container/container.h"
#include "runtime/diagnosis/exit_report.h"
#include "runtime/launch/create.h"
#include "runtime/supervise/supervisor.h"

namespace minirun {

// The times of a launch, from the start of the command.
class ReportClock {
 public:
  ReportClock() : began_(Clock::now()) {}
  void start();
  // Fills in what is known, and that it has ended now.
  void stop(ExitReport* report) const;

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point began_;
  std::optional<Clock::time_point> running_;
  std::string started_;
};

// The end of a child of this process. image_stop: the signal that ends the workload, beside the usual ones.
void take_ending(const Ended& ended, bool under_init, int image_stop, ExitReport* report);

// What the cgroup counted since the baseline. Call it before the cgroup is removed. baseline: null if it is not known.
void take_counters(const Cgroup& cgroup, const Baseline* baseline, ExitReport* report);

// A foreground run, after its end.
ExitReport report_of_run(const Launch& launch, const Container& container, const Ended& ended);
// One that never ran.
ExitReport report_of_failure(const std::string& command, const std::string& id, const Error& error);

// A container that has ended, from what its record and its cgroup say, for wait and delete. wait_status: as the kernel
// reports it, of its first process.
ExitReport report_of_ended(const std::string& command, const Container& found, std::optional<int> wait_status);

}  // namespace minirun
