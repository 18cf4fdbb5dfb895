// SPDX-License-Identifier: Apache-2.0
#include "cgroups/stats.h"

#include <cerrno>
#include <string>

#include "sys/file.h"
#include "sys/kernel_text.h"

namespace minirun {
namespace {

// The content of a file, empty without it.
Result<std::string> read_optional(int cgroup_fd, const char* file) {
  auto text = read_file(cgroup_fd, file);
  if (!text && text.error().code == ENOENT) return std::string();
  return text;
}

struct Single {
  const char* file;
  std::optional<uint64_t> CgroupStats::*member;
};

constexpr Single kSingles[] = {
    {"memory.current", &CgroupStats::memory_current_bytes}, {"memory.peak", &CgroupStats::memory_peak_bytes},
    {"memory.max", &CgroupStats::memory_max_bytes},         {"memory.swap.current", &CgroupStats::swap_current_bytes},
    {"pids.current", &CgroupStats::pids_current},           {"pids.peak", &CgroupStats::pids_peak},
};

}  // namespace

Result<CgroupStats> read_stats(int cgroup_fd) {
  CgroupStats stats;
  for (const Single& single : kSingles) {
    std::string text = TRY(read_optional(cgroup_fd, single.file));
    stats.*single.member = leading_number(text);
  }

  std::string events = TRY(read_optional(cgroup_fd, "memory.events"));
  stats.oom_events = number_of_line(events, "oom");
  stats.oom_kills = number_of_line(events, "oom_kill");
  std::string local = TRY(read_optional(cgroup_fd, "memory.events.local"));
  stats.oom_events_local = number_of_line(local, "oom");

  std::string pids = TRY(read_optional(cgroup_fd, "pids.events"));
  stats.pids_max_hits = number_of_line(pids, "max");

  std::string cpu = TRY(read_optional(cgroup_fd, "cpu.stat"));
  stats.cpu_usage_us = number_of_line(cpu, "usage_usec");
  stats.cpu_periods = number_of_line(cpu, "nr_periods");
  stats.cpu_throttled = number_of_line(cpu, "nr_throttled");
  stats.cpu_throttled_us = number_of_line(cpu, "throttled_usec");
  return stats;
}

}  // namespace minirun
