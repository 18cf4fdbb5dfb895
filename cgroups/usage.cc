// SPDX-License-Identifier: Apache-2.0
#include "cgroups/usage.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sys/file.h"
#include "sys/kernel_text.h"

namespace minirun {
namespace {

constexpr UsageCounterName kCounterNames[] = {
    {"oom", &UsageCounters::oom},
    {"oomKill", &UsageCounters::oom_kill},
    {"oomLocal", &UsageCounters::oom_local},
    {"pidsHits", &UsageCounters::pids_hits},
    {"cpu", &UsageCounters::cpu_us},
    {"user", &UsageCounters::user_us},
    {"system", &UsageCounters::system_us},
    {"periods", &UsageCounters::periods},
    {"throttledPeriods", &UsageCounters::throttled_periods},
    {"throttled", &UsageCounters::throttled_us},
    {"read", &UsageCounters::read_bytes},
    {"write", &UsageCounters::write_bytes},
    {"cpuSome", &UsageCounters::cpu_some_us},
    {"memorySome", &UsageCounters::memory_some_us},
    {"memoryFull", &UsageCounters::memory_full_us},
    {"ioSome", &UsageCounters::io_some_us},
    {"ioFull", &UsageCounters::io_full_us},
};

std::string counter_text(int cgroup_fd, const char* file) {
  auto text = read_file(cgroup_fd, file);
  return text.ok() ? std::move(text).value() : std::string();
}

void read_pressure(int cgroup_fd, UsageCounters* to) {
  constexpr const char* kTotal = " total=";
  to->cpu_some_us = sum_of_lines(counter_text(cgroup_fd, "cpu.pressure"), kTotal, "some");
  std::string memory = counter_text(cgroup_fd, "memory.pressure");
  to->memory_some_us = sum_of_lines(memory, kTotal, "some");
  to->memory_full_us = sum_of_lines(memory, kTotal, "full");
  std::string io = counter_text(cgroup_fd, "io.pressure");
  to->io_some_us = sum_of_lines(io, kTotal, "some");
  to->io_full_us = sum_of_lines(io, kTotal, "full");
}

}  // namespace

std::span<const UsageCounterName> usage_counter_names() {
  return kCounterNames;
}

UsageCounters UsageCounters::since(const UsageCounters& before) const {
  UsageCounters grown = *this;
  for (const UsageCounterName& counter : kCounterNames) {
    auto& value = grown.*counter.member;
    const uint64_t old = (before.*counter.member).value_or(0);
    if (value) value = *value - std::min(*value, old);
  }
  return grown;
}

Usage read_usage(int cgroup_fd) {
  Usage usage;
  if (cgroup_fd < 0) return usage;
  UsageCounters& counters = usage.counters;
  std::string events = counter_text(cgroup_fd, "memory.events");
  counters.oom = number_of_line(events, "oom");
  counters.oom_kill = number_of_line(events, "oom_kill");
  counters.oom_local = number_of_line(counter_text(cgroup_fd, "memory.events.local"), "oom");
  counters.pids_hits = number_of_line(counter_text(cgroup_fd, "pids.events"), "max");
  std::string cpu = counter_text(cgroup_fd, "cpu.stat");
  counters.cpu_us = number_of_line(cpu, "usage_usec");
  counters.user_us = number_of_line(cpu, "user_usec");
  counters.system_us = number_of_line(cpu, "system_usec");
  counters.periods = number_of_line(cpu, "nr_periods");
  counters.throttled_periods = number_of_line(cpu, "nr_throttled");
  counters.throttled_us = number_of_line(cpu, "throttled_usec");
  std::string io = counter_text(cgroup_fd, "io.stat");
  counters.read_bytes = sum_of_lines(io, " rbytes=");
  counters.write_bytes = sum_of_lines(io, " wbytes=");
  read_pressure(cgroup_fd, &counters);
  usage.memory_peak_bytes = leading_number(counter_text(cgroup_fd, "memory.peak"));
  usage.memory_max_bytes = leading_number(counter_text(cgroup_fd, "memory.max"));
  usage.swap_peak_bytes = leading_number(counter_text(cgroup_fd, "memory.swap.peak"));
  usage.pids_peak = leading_number(counter_text(cgroup_fd, "pids.peak"));
  usage.pids_max = leading_number(counter_text(cgroup_fd, "pids.max"));
  return usage;
}

Ancestors read_ancestors(const Hierarchy& hierarchy, const std::string& path) {
  Ancestors found;
  found.whole = faccessat(hierarchy.root.get(), "cgroup.type", F_OK, 0) < 0;  // the machine's root lacks it
  for (std::string above = path.substr(0, path.rfind('/')); !above.empty(); above.resize(above.rfind('/'))) {
    const std::string folder = above.substr(1);
    auto limit = read_file(hierarchy.root.get(), folder + "/memory.max");
    bool absent = !limit.ok() && limit.error().code == ENOENT;  // no memory controller
    if (!limit.ok() && !absent) found.whole = false;
    if (!limit.ok() || limit->starts_with("max")) continue;
    auto events = read_file(hierarchy.root.get(), folder + "/memory.events.local");
    auto ooms = events.ok() ? number_of_line(*events, "oom") : std::nullopt;
    if (ooms) found.limited.push_back({above, *ooms});
    if (!ooms) found.whole = false;
  }
  return found;
}

}  // namespace minirun
