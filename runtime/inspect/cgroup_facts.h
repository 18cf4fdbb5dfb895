// SPDX-License-Identifier: Apache-2.0
// What a container's cgroup says about it. Documentation/admin-guide/cgroup-v2.rst
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "cgroups/stats.h"
#include "sys/result.h"

namespace minirun {

// How long tasks have waited for a resource, in microseconds since the cgroup exists: some of them, and all of them at
// the same time. Documentation/accounting/psi.rst
struct Pressure {
  uint64_t some_us = 0;
  uint64_t full_us = 0;
};

// Each is absent where the kernel has no such file, usually because the controller is not enabled.
struct CgroupFacts {
  CgroupStats stats{};
  std::optional<uint64_t> pids_max{};      // absent also for "max"
  std::optional<uint64_t> cpu_quota_us{};  // for each period; absent also for "max"
  std::optional<uint64_t> cpu_period_us{};
  std::optional<Pressure> cpu_pressure{};
  std::optional<Pressure> memory_pressure{};
  std::optional<Pressure> io_pressure{};
  std::optional<uint64_t> tmpfs_bytes{};        // of the memory: files in tmpfs, and shared memory
  std::optional<uint64_t> reclaimable_bytes{};  // of the memory: files that were not used of late
  std::optional<bool> frozen{};
};

Result<CgroupFacts> look_at_cgroup(int cgroup_fd);

// Of the text of a pressure file. Nothing: no line "some".
std::optional<Pressure> parse_pressure(std::string_view text);

// Of the whole machine; absent on a kernel without CONFIG_PSI.
std::optional<Pressure> host_cpu_pressure();

}  // namespace minirun
