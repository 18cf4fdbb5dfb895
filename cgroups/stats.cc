// SPDX-License-Identifier: Apache-2.0
#include "cgroups/stats.h"

#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>

#include "sys/file.h"

namespace minirun {
namespace {

// The content of a file, empty without it.
Result<std::string> read_optional(int cgroup_fd, const char* file) {
  auto text = read_file(cgroup_fd, file);
  if (!text && text.error().code == ENOENT) return std::string();
  return text;
}

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) return std::nullopt;
  return value;
}

// The number behind "key " at the start of a line.
std::optional<uint64_t> field(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
      return number(line.substr(key.size() + 1));
    text.remove_prefix(line.size() == text.size() ? line.size() : line.size() + 1);
  }
  return std::nullopt;
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
    stats.*single.member = number(text);
  }

  std::string events = TRY(read_optional(cgroup_fd, "memory.events"));
  stats.oom_events = field(events, "oom");
  stats.oom_kills = field(events, "oom_kill");
  std::string local = TRY(read_optional(cgroup_fd, "memory.events.local"));
  stats.oom_events_local = field(local, "oom");

  std::string pids = TRY(read_optional(cgroup_fd, "pids.events"));
  stats.pids_max_hits = field(pids, "max");

  std::string cpu = TRY(read_optional(cgroup_fd, "cpu.stat"));
  stats.cpu_usage_us = field(cpu, "usage_usec");
  stats.cpu_periods = field(cpu, "nr_periods");
  stats.cpu_throttled = field(cpu, "nr_throttled");
  stats.cpu_throttled_us = field(cpu, "throttled_usec");
  return stats;
}

}  // namespace minirun
