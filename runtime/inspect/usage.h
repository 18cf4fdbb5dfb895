// SPDX-License-Identifier: Apache-2.0
// What a container uses between two looks at it: a row of `top`. Each number is absent where it is not known, never 0.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/inspect/sample.h"

namespace minirun {

// Percentages of time are of the time between both looks; those of processors count 100 for one.
struct ProcessUsage {
  pid_t pid = 0;
  pid_t parent = 0;
  std::optional<uint32_t> uid{};
  char state = '?';
  std::optional<double> cpu_percent{};
  std::optional<uint64_t> memory_bytes{};  // resident; absent for a zombie
  uint64_t threads = 0;
  std::optional<uint64_t> open_files{};
  std::optional<uint64_t> open_files_limit{};
  std::string wait_channel{};
  std::string name{};  // as the kernel has it: of any content
};

// The process that has the largest part of its RLIMIT_NOFILE open.
struct FullestProcess {
  pid_t pid = 0;
  std::string name{};
  uint64_t open = 0;
  std::optional<uint64_t> limit{};
};

struct ContainerUsage {
  std::string id{};
  std::string status{};   // "unknown" with a problem
  std::string problem{};  // why nothing else is known; "": no problem
  pid_t pid = 0;          // of its first process; 0: it does not run
  std::optional<double> cpu_percent{};
  std::optional<double> cpu_quota_percent{};
  std::optional<double> throttled_percent{};  // of the periods
  std::optional<uint64_t> memory_bytes{};
  std::optional<uint64_t> memory_limit_bytes{};
  std::optional<uint64_t> swap_bytes{};
  std::optional<double> cpu_wait_percent{};  // of the time in which some task waited for it
  std::optional<double> memory_wait_percent{};
  std::optional<double> io_wait_percent{};
  std::optional<uint64_t> processes{};
  std::optional<uint64_t> zombies{};
  std::optional<uint64_t> tasks{};
  std::optional<uint64_t> tasks_limit{};
  std::optional<FullestProcess> fullest{};
  std::optional<uint64_t> oom_kills{};
  std::vector<std::string> unseen{};
  std::vector<ProcessUsage> of_each{};  // the processes, if asked for
};

// before: null for the first look, which knows no rates.
ContainerUsage usage_of(const Sample* before, const Sample& after);
// The busiest first, then the largest, then by pid.
std::vector<ProcessUsage> process_usage_of(const Sample* before, const Sample& after);
// The busiest first, then the largest, then by id. Those that do not run or are unknown come last.
void sort_by_use(std::vector<ContainerUsage>* containers);

}  // namespace minirun
