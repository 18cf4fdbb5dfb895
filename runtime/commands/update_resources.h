// SPDX-License-Identifier: Apache-2.0
// Turns the options and the file of `update` into writes for a cgroup in use. Nothing is written here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cgroups/limits.h"
#include "runtime/commands/options.h"
#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

// As in runc; absent: unchanged.
struct UpdateCommand {
  std::string id;
  std::string resources;  // a file, "-" for stdin; "": none
  std::optional<uint16_t> blkio_weight;
  std::optional<uint64_t> cpu_period;
  std::optional<int64_t> cpu_quota;
  std::optional<uint64_t> cpu_burst;
  std::optional<uint64_t> cpu_rt_period;
  std::optional<int64_t> cpu_rt_runtime;
  std::optional<uint64_t> cpu_share;
  std::optional<int64_t> cpu_idle;
  std::optional<std::string> cpuset_cpus;
  std::optional<std::string> cpuset_mems;
  std::optional<std::string> memory;  // bytes, or with a suffix k, m, g; -1: no limit
  std::optional<std::string> memory_reservation;
  std::optional<std::string> memory_swap;
  std::optional<std::string> kernel_memory;
  std::optional<std::string> kernel_memory_tcp;
  std::optional<int64_t> pids_limit;
  std::optional<std::string> l3_cache_schema;
  std::optional<std::string> mem_bw_schema;
};

void describe(Options& options, UpdateCommand& command);

// The cgroup's present values, for checks against them. Empty: the controller is not enabled, so it has no limit.
struct CurrentLimits {
  std::optional<int64_t> memory_bytes;  // -1: no limit
  std::optional<int64_t> quota_us;      // -1: no limit
  std::optional<uint64_t> period_us;
  std::optional<uint64_t> burst_us;
  std::optional<int64_t> swap_bytes = std::nullopt;  // without memory; -1: no limit
  std::optional<int64_t> used_bytes = std::nullopt;  // memory.current
};

Result<CurrentLimits> read_current_limits(int cgroup_fd);

// The options override the JSON text (a resources object of config.json; empty: none). What neither names stays unset.
// file: its name, for messages. The error has a line for each problem: "FILE: /memory/limit: must be ...", "--memory:
// ...". Unknown properties are ignored with a warning.
Result<oci::Resources> requested_resources(const UpdateCommand& command, std::string_view json,
                                           const std::string& file);

// Checks the values, each alone and together with those that stay; errors as above.
Result<void> check_resources_for(const UpdateCommand& command, const oci::Resources& resources,
                                 const CurrentLimits& current, const std::string& file);

// A warning if the new memory limit is below the present use, which the kernel does not refuse. "" otherwise, and with
// checkBeforeUpdate, with which minirun refuses it.
std::string below_usage(const UpdateCommand& command, const oci::Resources& resources, const CurrentLimits& current,
                        const std::string& file);

// Names in an error the option, or the property of the file, that asked for what failed.
Error name_as_given_to_update(Error error, const UpdateCommand& command, const std::string& file);

// The writes, ordered so that the limits between two of them are never stricter than both the old and the new ones.
// extra_tasks as for plan_limits().
Result<LimitPlan> plan_change(const oci::Resources& resources, const CurrentLimits& current, uint32_t extra_tasks);

}  // namespace minirun
