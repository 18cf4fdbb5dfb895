// SPDX-License-Identifier: Apache-2.0
// A cgroup's counters as `runc events` prints them (runc's types/events.go, on cgroup v2), so that its readers need no
// new code.
#pragma once

#include <string>

#include "sys/result.h"

namespace minirun {

// {"type":"stats","id":ID,"data":{...}} in one line, with a newline. Counters that the kernel lacks (a controller is
// not enabled) are omitted or 0, as in runc. Memory in bytes, times in nanoseconds, PSI totals in microseconds. Errors:
// ENODEV when the cgroup is gone, and other read errors.
Result<std::string> stats_event(const std::string& id, int cgroup_fd);

// {"type":"oom","id":ID}
std::string oom_event(const std::string& id);

}  // namespace minirun
