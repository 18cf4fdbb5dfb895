// SPDX-License-Identifier: Apache-2.0
// A cgroup's counters as `runc events` prints them (runc's types/events.go, on cgroup v2), so that its readers need no
// other code.
#pragma once

#include <string>

#include "sys/result.h"

namespace minirun {

// {"type":"stats","id":ID,"data":{...}} in one line, with a newline. What the kernel does not count here (a controller
// is not enabled) is left out or 0, as runc has it. Memory in bytes, times in nanoseconds, PSI totals in microseconds.
// Errors: ENODEV when the cgroup is gone, and what else reading can end in.
Result<std::string> stats_event(const std::string& id, int cgroup_fd);

// {"type":"oom","id":ID}
std::string oom_event(const std::string& id);

}  // namespace minirun
