// SPDX-License-Identifier: Apache-2.0
// Facts of a healthy container, to be made worse: minirun's init (10), node (11) and its child (12), one second.
#pragma once

#include <string>

#include "runtime/inspect/rules.h"

namespace minirun {

inline ProcessFacts process_facts(pid_t pid, pid_t parent, const std::string& name, char state = 'S') {
  ProcessFacts process{.pid = pid};
  process.stat = {.name = name, .state = state, .parent = parent, .threads = 1, .start_ticks = 1000};
  process.stat.resident_bytes = static_cast<uint64_t>(pid) << 20;
  process.status = ProcessStatus{.innermost_pid = pid - 9, .caught = 1U << 14};  // SIGTERM
  process.files = OpenFiles{.open = 10, .limit = 1024};
  return process;
}

inline Sample healthy_sample() {
  Sample sample{.id = "web1", .status = "running", .first = 10, .resident_init = true};
  CgroupFacts cgroup;
  cgroup.stats.memory_current_bytes = 100 << 20;
  cgroup.stats.memory_max_bytes = 256 << 20;
  cgroup.stats.swap_current_bytes = 0;
  cgroup.stats.oom_kills = 0;
  cgroup.stats.oom_events_local = 0;
  cgroup.stats.pids_current = 3;
  cgroup.stats.pids_max_hits = 0;
  cgroup.stats.cpu_usage_us = 0;
  cgroup.stats.cpu_periods = 0;
  cgroup.stats.cpu_throttled = 0;
  cgroup.pids_max = 64;
  cgroup.cpu_quota_us = 50000;
  cgroup.cpu_period_us = 100000;
  cgroup.cpu_pressure = cgroup.memory_pressure = cgroup.io_pressure = Pressure{};
  cgroup.frozen = false;
  sample.cgroup = cgroup;
  sample.processes = {process_facts(10, 1, "minirun-init"), process_facts(11, 10, "node"),
                      process_facts(12, 11, "worker")};
  return sample;
}

inline Facts healthy() {
  Facts facts;
  facts.before = facts.after = healthy_sample();
  facts.after.time += std::chrono::seconds(1);
  facts.host_cpu_wait_us = 20000;
  facts.host_cpus = 2;
  return facts;
}

// In both samples.
inline void add(Facts* facts, const ProcessFacts& process) {
  facts->before.processes.push_back(process);
  facts->after.processes.push_back(process);
}

// "rule: text" of each finding.
inline std::string found(const Facts& facts) {
  std::string all;
  for (const Finding& finding : findings_of(facts))
    all += (all.empty() ? "" : "\n") + std::string(finding.rule) + ": " + finding.text;
  return all;
}

}  // namespace minirun
