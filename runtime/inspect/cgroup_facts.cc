// SPDX-License-Identifier: Apache-2.0
#include "runtime/inspect/cgroup_facts.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "sys/file.h"
#include "sys/kernel_text.h"

namespace minirun {
namespace {

// Missing files, pressure that is switched off (EOPNOTSUPP), and "" are the same to a reader.
Result<std::string> read_counter(int cgroup_fd, const char* file) {
  auto text = read_file(cgroup_fd, file);
  if (!text.ok() && (text.error().code == ENOENT || text.error().code == EOPNOTSUPP)) return std::string();
  return text;
}

}  // namespace

std::optional<Pressure> parse_pressure(std::string_view text) {
  constexpr const char* kTotal = " total=";
  if (!text.starts_with("some ")) return std::nullopt;
  return Pressure{sum_of_lines(text, kTotal, "some").value_or(0), sum_of_lines(text, kTotal, "full").value_or(0)};
}

Result<CgroupFacts> look_at_cgroup(int cgroup_fd) {
  CgroupFacts facts;
  facts.stats = TRY(read_stats(cgroup_fd));
  facts.pids_max = leading_number(TRY(read_counter(cgroup_fd, "pids.max")));
  std::string cpu = TRY(read_counter(cgroup_fd, "cpu.max"));
  facts.cpu_quota_us = leading_number(cpu);
  size_t blank = std::min(cpu.find(' '), cpu.size());
  facts.cpu_period_us = leading_number(std::string_view(cpu).substr(std::min(blank + 1, cpu.size())));
  facts.cpu_pressure = parse_pressure(TRY(read_counter(cgroup_fd, "cpu.pressure")));
  facts.memory_pressure = parse_pressure(TRY(read_counter(cgroup_fd, "memory.pressure")));
  facts.io_pressure = parse_pressure(TRY(read_counter(cgroup_fd, "io.pressure")));
  std::string memory = TRY(read_counter(cgroup_fd, "memory.stat"));
  facts.tmpfs_bytes = number_of_line(memory, "shmem");
  facts.reclaimable_bytes = number_of_line(memory, "inactive_file");
  std::string events = TRY(read_counter(cgroup_fd, "cgroup.events"));
  if (auto frozen = number_of_line(events, "frozen")) facts.frozen = *frozen != 0;
  return facts;
}

std::optional<Pressure> host_cpu_pressure() {
  auto text = read_file(AT_FDCWD, "/proc/pressure/cpu");
  return text.ok() ? parse_pressure(*text) : std::nullopt;
}

}  // namespace minirun
