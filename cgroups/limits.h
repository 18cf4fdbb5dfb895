// SPDX-License-Identifier: Apache-2.0
// Limits as numbers, and the control-file writes they become. Pure: no file is touched here.
// The meaning of each field is that of the property of the same name in runtime-spec config-linux.md#control-groups,
// translated to cgroup v2 (Documentation/admin-guide/cgroup-v2.rst).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sys/result.h"

namespace minirun {

// All in bytes. -1: no limit. 0 counts as absent, which is what engines mean by it.
struct MemoryLimits {
  std::optional<int64_t> limit{};
  std::optional<int64_t> reservation{};
  std::optional<int64_t> swap{};     // memory and swap together
  bool check_before_update = false;  // refuse a limit below the present use instead of killing
};

struct CpuLimits {
  std::optional<uint64_t> shares{};  // 2..262144, values outside are clamped; 0 counts as not given
  std::optional<int64_t> quota{};    // microseconds a period; 0 and below: no limit
  std::optional<uint64_t> period{};  // microseconds; 0 counts as not given
  std::optional<uint64_t> burst{};   // microseconds
  std::optional<int64_t> idle{};     // 0 or 1; 1 overrides shares
  std::string cpus{};                // cpuset(7) list format; empty: not given
  std::string mems{};
};

struct DeviceNumber {
  uint32_t major = 0;
  uint32_t minor = 0;
};

struct IoWeight {
  DeviceNumber device;
  uint16_t weight = 0;  // 10..1000
};

struct IoRate {
  DeviceNumber device;
  uint64_t rate = 0;  // bytes or operations a second; 0: no limit
};

struct IoLimits {
  std::optional<uint16_t> weight{};  // 10..1000; 0 counts as not given
  std::vector<IoWeight> weight_device;
  std::vector<IoRate> read_bps, write_bps, read_iops, write_iops;
};

struct HugepageLimit {
  std::string page_size;  // as in the file's name: "2MB", "1GB", "64KB"
  uint64_t limit_bytes = 0;
};

struct RdmaLimit {
  std::string device;
  std::optional<uint32_t> hca_handles{};
  std::optional<uint32_t> hca_objects{};
};

struct Limits {
  MemoryLimits memory;
  CpuLimits cpu;
  std::optional<int64_t> pids{};  // tasks; -1: no limit
  IoLimits io;
  std::vector<HugepageLimit> hugepages;
  std::vector<RdmaLimit> rdma;
  std::vector<std::pair<std::string, std::string>> unified;  // file name, content: one write for each of its lines
};

// One write(2) to one control file of the container's cgroup.
struct Write {
  std::string file;    // "memory.max"
  std::string value;   // without a newline
  std::string origin;  // the property: "/linux/resources/blockIO/throttleReadBpsDevice/0"

  // If the kernel has no such file (or, EOPNOTSUPP, not for this device): write fallback_value to fallback_file
  // instead. If neither exists: nothing with may_be_missing; otherwise an error.
  std::string fallback_file{};
  std::string fallback_value{};
  bool may_be_missing = false;

  std::string not_below{};  // a file ("memory.current"): a value under its content is refused, nothing is written
  std::string effective{};  // a file ("cpuset.cpus.effective"): afterwards it must list only what was asked for
};

// A required controller, and the first limit that needs it.
struct ControllerNeed {
  std::string controller;  // "memory"
  std::string origin;      // "/linux/resources/memory/limit"
};

struct LimitPlan {
  std::vector<Write> writes;           // in the order in which they must be done
  std::vector<ControllerNeed> needed;  // each controller once
};

// extra_tasks: tasks that minirun itself keeps in the container (its resident init is one); pids.max is raised by them.
// EINVAL for what the kernel would misread, or refuse without a reason: swap without or below limit, burst above quota,
// a weight out of range, a unified key that is not a plain limit file. A quota without a period leaves the period
// unchanged, but a period alone comes with quota "max": a caller that changes the period of a running container fills
// in its quota.
Result<LimitPlan> plan_limits(const Limits& limits, uint32_t extra_tasks = 0);

// cpu.shares (2..262144, clamped) → cpu.weight (1..10000) so that the defaults meet: 1024 → 100.
uint64_t cpu_weight_from_shares(uint64_t shares);

// blockIO.weight (10..1000) → io.weight (1..10000), linear.
uint64_t io_weight_from_blkio(uint64_t weight);

}  // namespace minirun
