// SPDX-License-Identifier: Apache-2.0
// What the processes of a cgroup have used, for a report after their end. Documentation/admin-guide/cgroup-v2.rst
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cgroups/hierarchy.h"

namespace minirun {

// Counters that only grow. Each is empty if the kernel has no such file or line.
struct UsageCounters {
  std::optional<uint64_t> oom;        // memory.events: a limit of this cgroup or of one below was reached
  std::optional<uint64_t> oom_kill;   // memory.events: processes killed by any OOM killer
  std::optional<uint64_t> oom_local;  // memory.events.local: of oom those by this cgroup's own limit
  std::optional<uint64_t> pids_hits;  // pids.events: forks that were refused
  std::optional<uint64_t> cpu_us, user_us, system_us;                // cpu.stat
  std::optional<uint64_t> periods, throttled_periods, throttled_us;  // cpu.stat, with a quota
  std::optional<uint64_t> read_bytes, write_bytes;                   // io.stat, of all devices
  std::optional<uint64_t> cpu_some_us, memory_some_us, memory_full_us, io_some_us, io_full_us;  // *.pressure, total

  // The growth since `before`: an unknown number there counts as 0, and no difference is negative.
  UsageCounters since(const UsageCounters& before) const;
};

struct UsageCounterName {
  const char* name;  // in a container's record: never change one
  std::optional<uint64_t> UsageCounters::*member;
};
std::span<const UsageCounterName> usage_counter_names();

struct Usage {
  UsageCounters counters;
  std::optional<uint64_t> memory_peak_bytes, memory_max_bytes, swap_peak_bytes;  // max: empty also for "max"
  std::optional<uint64_t> pids_peak, pids_max;
};

// cgroup_fd: an open cgroup directory. Leaves out what cannot be read.
Usage read_usage(int cgroup_fd);

// A cgroup above a container's that has a memory limit.
struct LimitedAncestor {
  std::string path;   // absolute inside the mount
  uint64_t ooms = 0;  // memory.events.local, oom: how often its own limit was reached
};

struct Ancestors {
  std::vector<LimitedAncestor> limited;  // the nearest first
  bool whole = false;                    // up to the root of the machine, and each could be read
};

// Those of the cgroup at an absolute path; none above a path with one component. Reads one small file of each ancestor,
// and another of a limited one.
Ancestors read_ancestors(const Hierarchy& hierarchy, const std::string& path);

}  // namespace minirun
