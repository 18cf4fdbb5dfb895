// SPDX-License-Identifier: Apache-2.0
#include "runtime/inspect/cgroup_facts.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string>

#include "sys/file.h"

namespace minirun {
namespace {

std::optional<uint64_t> number_at(std::string_view text) {
  uint64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) return std::nullopt;
  return value;
}

// The number behind the key, which begins a line and has its separator.
std::optional<uint64_t> number_behind(std::string_view text, std::string_view key) {
  for (size_t at = text.find(key); at != text.npos; at = text.find(key, at + 1))
    if (at == 0 || text[at - 1] == '\n') return number_at(text.substr(at + key.size()));
  return std::nullopt;
}

uint64_t total_of(std::string_view text, std::string_view name) {
  size_t at = text.find(name);
  if (at == text.npos) return 0;
  std::string_view line = text.substr(at, text.find('\n', at) - at);
  size_t total = line.find("total=");
  return total == line.npos ? 0 : number_at(line.substr(total + 6)).value_or(0);
}

// Missing files, pressure that is switched off (EOPNOTSUPP), and "" are the same to a reader.
Result<std::string> read_counter(int cgroup_fd, const char* file) {
  auto text = read_file(cgroup_fd, file);
  if (!text.ok() && (text.error().code == ENOENT || text.error().code == EOPNOTSUPP)) return std::string();
  return text;
}

}  // namespace

std::optional<Pressure> parse_pressure(std::string_view text) {
  if (!text.starts_with("some ")) return std::nullopt;
  return Pressure{total_of(text, "some "), total_of(text, "full ")};
}

Result<CgroupFacts> look_at_cgroup(int cgroup_fd) {
  CgroupFacts facts;
  facts.stats = TRY(read_stats(cgroup_fd));
  facts.pids_max = number_at(TRY(read_counter(cgroup_fd, "pids.max")));
  std::string cpu = TRY(read_counter(cgroup_fd, "cpu.max"));
  facts.cpu_quota_us = number_at(cpu);
  size_t blank = std::min(cpu.find(' '), cpu.size());
  facts.cpu_period_us = number_at(std::string_view(cpu).substr(std::min(blank + 1, cpu.size())));
  facts.cpu_pressure = parse_pressure(TRY(read_counter(cgroup_fd, "cpu.pressure")));
  facts.memory_pressure = parse_pressure(TRY(read_counter(cgroup_fd, "memory.pressure")));
  facts.io_pressure = parse_pressure(TRY(read_counter(cgroup_fd, "io.pressure")));
  std::string memory = TRY(read_counter(cgroup_fd, "memory.stat"));
  facts.tmpfs_bytes = number_behind(memory, "shmem ");
  facts.reclaimable_bytes = number_behind(memory, "inactive_file ");
  std::string events = TRY(read_counter(cgroup_fd, "cgroup.events"));
  if (auto frozen = number_behind(events, "frozen ")) facts.frozen = *frozen != 0;
  return facts;
}

std::optional<Pressure> host_cpu_pressure() {
  auto text = read_file(AT_FDCWD, "/proc/pressure/cpu");
  return text.ok() ? parse_pressure(*text) : std::nullopt;
}

}  // namespace minirun
