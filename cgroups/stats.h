// SPDX-License-Identifier: Apache-2.0
// The kernel's counters for a cgroup: read them before the cgroup is removed. Documentation/admin-guide/cgroup-v2.rst
#pragma once

#include <cstdint>
#include <optional>

#include "sys/result.h"

namespace minirun {

// Each is empty if the kernel has no such file or line, usually because the controller is not enabled.
struct CgroupStats {
  std::optional<uint64_t> memory_current_bytes;
  std::optional<uint64_t> memory_peak_bytes;  // Linux 5.19
  std::optional<uint64_t> memory_max_bytes;   // empty also for "max"
  std::optional<uint64_t> swap_current_bytes;
  std::optional<uint64_t> oom_events;  // times that a limit of this cgroup or below could not be kept
  std::optional<uint64_t> oom_kills;   // processes killed in this cgroup and below by any OOM killer
  std::optional<uint64_t>
      oom_events_local;  // of oom_events those by the limit of this very cgroup (memory.events.local)
  std::optional<uint64_t> pids_current;
  std::optional<uint64_t> pids_peak;      // Linux 6.1
  std::optional<uint64_t> pids_max_hits;  // forks that pids.max refused
  std::optional<uint64_t> cpu_usage_us;   // also without the cpu controller
  std::optional<uint64_t> cpu_periods;    // periods that had a quota and something to run
  std::optional<uint64_t> cpu_throttled;  // of these, periods in which the quota was used up
  std::optional<uint64_t> cpu_throttled_us;
};

// cgroup_fd: an open cgroup directory. Tolerates only missing files.
Result<CgroupStats> read_stats(int cgroup_fd);

}  // namespace minirun
