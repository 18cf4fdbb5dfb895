// SPDX-License-Identifier: Apache-2.0
#include "runtime/inspect/rules.h"

#include <algorithm>

namespace minirun {

std::span<const Rule> doctor_rules() {
  static constexpr Rule kRules[] = {
      {"frozen", "the container, or a cgroup above it, is paused", find_frozen},
      {"uninterruptible", "a process waits in the kernel (state D), all the time", find_uninterruptible},
      {"stopped", "a process is stopped by a signal or a tracer", find_stopped},
      {"memory-limit", "an OOM kill since the container was made, or 90 % of memory.max without unused files",
       find_memory_limit},
      {"memory-pressure", "processes wait for memory for 20 % of the time", find_memory_pressure},
      {"swap", "a tenth of the container's memory, or more, is in swap", find_swap},
      {"pids-limit", "90 % of pids.max, or forks that it has refused", find_pids_limit},
      {"descriptors", "a process has 90 % of RLIMIT_NOFILE open; or half of it, and at this rate all within 10 minutes",
       find_descriptors},
      {"cpu-quota", "the quota throttles the container in 10 % of its periods", find_cpu_quota},
      {"cpu-host", "processes wait for a processor for 30 % of the time, without a quota that explains it",
       find_cpu_host},
      {"event-loop", "the first thread of a process that serves events (epoll) computes without a pause",
       find_event_loop},
      {"zombies", "a process has five ended children, or more, that it does not wait for", find_zombies},
      {"stop-signal", "the stop signal ends nothing, or takes the time to clean up from a process", find_stop_signal},
  };
  return kRules;
}

std::vector<Finding> findings_of(const Facts& facts) {
  std::vector<Finding> all;
  for (const Rule& rule : doctor_rules()) {
    std::vector<Finding> some;
    rule.look(facts, &some);
    for (Finding& finding : some) {
      finding.rule = rule.name;
      all.push_back(std::move(finding));
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  return all;
}

const char* severity_name(Severity severity) {
  constexpr const char* kNames[] = {"note", "warning", "critical"};
  return kNames[static_cast<size_t>(severity)];
}

const ProcessFacts* main_process(const Sample& sample) {
  const ProcessFacts* first = find_process(sample, sample.first);
  if (!sample.resident_init || first == nullptr) return first;
  // The init starts the workload before any orphan can become its child.
  const ProcessFacts* oldest = nullptr;
  for (const ProcessFacts& process : sample.processes)
    if (process.stat.parent == first->pid && (oldest == nullptr || process.stat.start_ticks < oldest->stat.start_ticks))
      oldest = &process;
  return oldest;
}

}  // namespace minirun
