// SPDX-License-Identifier: Apache-2.0
// The rules about what runs out: memory, processes, descriptors, processors.
#include <algorithm>
#include <cmath>

#include "runtime/inspect/rules.h"
#include "runtime/inspect/shares.h"

namespace minirun {
namespace {

constexpr double kNearlyAll = 90;         // percent
constexpr double kThrottledPeriods = 10;  // percent
constexpr uint64_t kFewPeriods = 3;       // too few to judge by
constexpr double kMemoryWait = 20;        // percent of the time
constexpr double kProcessorWait = 30;     // percent of the time
constexpr double kSwapShare = 10;         // percent of memory and swap
constexpr double kSoon = 600;             // seconds

double growth_in(const Facts& facts, const std::optional<Pressure>& before, const std::optional<Pressure>& after,
                 uint64_t Pressure::*kind) {
  if (!before || !after) return 0;
  uint64_t us = (*after).*kind - std::min((*after).*kind, (*before).*kind);
  return std::min(100.0, percent(static_cast<double>(us), elapsed_us(facts.before, facts.after)));
}

const ProcessFacts* largest(const Sample& sample) {
  auto found = std::max_element(
      sample.processes.begin(), sample.processes.end(),
      [](const ProcessFacts& a, const ProcessFacts& b) { return a.stat.resident_bytes < b.stat.resident_bytes; });
  return found == sample.processes.end() ? nullptr : &*found;
}

// ", 9 MiB of it in tmpfs; node (24) alone 180 MiB"
std::string parts_of_memory(const Facts& facts) {
  std::string text;
  uint64_t tmpfs = facts.after.cgroup->tmpfs_bytes.value_or(0);
  if (tmpfs >= 1 << 20) text += fmt::format(", {} of it in tmpfs", shown_bytes(tmpfs));
  const ProcessFacts* most = largest(facts.after);
  if (most != nullptr && most->stat.resident_bytes > 0)
    text += fmt::format("; {} alone {}", shown_process(*most), shown_bytes(most->stat.resident_bytes));
  return text;
}

void find_full_memory(const Facts& facts, std::vector<Finding>* findings) {
  const CgroupFacts& cgroup = *facts.after.cgroup;
  if (!cgroup.stats.memory_current_bytes || !cgroup.stats.memory_max_bytes) return;
  uint64_t used = *cgroup.stats.memory_current_bytes;
  used -= std::min(used, cgroup.reclaimable_bytes.value_or(0));
  uint64_t limit = *cgroup.stats.memory_max_bytes;
  double share = percent(static_cast<double>(used), static_cast<double>(limit));
  if (share < kNearlyAll) return;
  findings->push_back({.severity = share >= 98 ? Severity::critical : Severity::warning,
                       .text = fmt::format("{} of {} used ({:.0f} %), which the kernel cannot take back{}",
                                           shown_bytes(used), shown_bytes(limit), share, parts_of_memory(facts)),
                       .remedy = "raise linux.resources.memory.limit (minirun update --memory), or let it use less",
                       .numbers = {{"used_bytes", used}, {"limit_bytes", limit}, {"percent", share}}});
}

void find_oom_kills(const Facts& facts, std::vector<Finding>* findings) {
  const CgroupStats& now = facts.after.cgroup->stats;
  uint64_t kills = now.oom_kills.value_or(0);
  if (kills == 0) return;
  uint64_t fresh = growth(facts.before.cgroup->stats.oom_kills, now.oom_kills).value_or(0);
  bool own = now.oom_events_local.value_or(0) > 0;
  std::string limit = now.memory_max_bytes ? " of " + shown_bytes(*now.memory_max_bytes) : "";
  std::string by = own ? "the container's own limit" + limit
                       : "a limit below or above the container, or because the host has no memory left";
  findings->push_back(
      {.severity = fresh > 0 ? Severity::critical : Severity::warning,
       .text = fmt::format("{} OOM-killed since the container was made, {} of them just now, by {}",
                           counted(kills, "process was", "processes were"), fresh, by),
       .remedy = own ? "raise linux.resources.memory.limit (minirun update --memory), or let it use less"
                     : "look at memory.max and memory.events of the cgroups above it",
       .numbers = {{"oom_kills", kills}, {"oom_kills_between_samples", fresh}}});
}

}  // namespace

void find_memory_limit(const Facts& facts, std::vector<Finding>* findings) {
  if (!facts.before.cgroup || !facts.after.cgroup) return;
  find_oom_kills(facts, findings);
  find_full_memory(facts, findings);
}

void find_memory_pressure(const Facts& facts, std::vector<Finding>* findings) {
  if (!facts.before.cgroup || !facts.after.cgroup) return;
  const auto& before = facts.before.cgroup->memory_pressure;
  const auto& after = facts.after.cgroup->memory_pressure;
  double some = growth_in(facts, before, after, &Pressure::some_us);
  double full = growth_in(facts, before, after, &Pressure::full_us);
  if (some < kMemoryWait) return;
  findings->push_back(
      {.severity = full >= 50 ? Severity::critical : Severity::warning,
       .text = fmt::format("processes waited for memory in {:.0f} % of the time, all of them at once in "
                           "{:.0f} %: the kernel reclaims and reads again what is in use",
                           some, full),
       .remedy = "raise memory.max, or memory.high if that is set, or let it use less",
       .numbers = {{"some_percent", some}, {"full_percent", full}}});
}

void find_swap(const Facts& facts, std::vector<Finding>* findings) {
  if (!facts.after.cgroup) return;
  const CgroupStats& now = facts.after.cgroup->stats;
  double swapped = static_cast<double>(now.swap_current_bytes.value_or(0));
  double share = percent(swapped, swapped + static_cast<double>(now.memory_current_bytes.value_or(0)));
  if (swapped < 1 << 20 || share < kSwapShare) return;
  findings->push_back({.severity = Severity::warning,
                       .text = fmt::format("{} of its memory, {:.0f} %, in swap: each use of it waits for the disk",
                                           shown_bytes(now.swap_current_bytes.value_or(0)), share),
                       .remedy = "give it more memory, or no swap (linux.resources.memory.swap)",
                       .numbers = {{"swap_bytes", swapped}, {"percent", share}}});
}

void find_pids_limit(const Facts& facts, std::vector<Finding>* findings) {
  if (!facts.before.cgroup || !facts.after.cgroup || !facts.after.cgroup->pids_max) return;
  const CgroupStats& now = facts.after.cgroup->stats;
  uint64_t limit = *facts.after.cgroup->pids_max;
  uint64_t used = now.pids_current.value_or(0);
  uint64_t hits = now.pids_max_hits.value_or(0);
  uint64_t fresh = growth(facts.before.cgroup->stats.pids_max_hits, now.pids_max_hits).value_or(0);
  double share = percent(static_cast<double>(used), static_cast<double>(limit));
  // A limit of some tasks is nearly full by design.
  bool full = share >= kNearlyAll && limit >= 10;
  if (!full && hits == 0) return;
  auto zombies =
      static_cast<uint64_t>(std::count_if(facts.after.processes.begin(), facts.after.processes.end(),
                                          [](const ProcessFacts& process) { return process.stat.state == 'Z'; }));
  findings->push_back(
      {.severity = fresh > 0 ? Severity::critical : Severity::warning,
       .text = fmt::format("{} of {} tasks, {} of them zombies; pids.max has refused {} since the container was made, "
                           "{} of them just now",
                           used, limit, zombies, counted(hits, "fork", "forks"), fresh),
       .remedy =
           "find out what forks or starts threads, or raise linux.resources.pids.limit (minirun update --pids-limit)",
       .numbers = {{"tasks", used},
                   {"limit", limit},
                   {"zombies", zombies},
                   {"refused", hits},
                   {"refused_between_samples", fresh}}});
}

void find_descriptors(const Facts& facts, std::vector<Finding>* findings) {
  for (const ProcessFacts& process : facts.after.processes) {
    if (!process.files || !process.files->limit || *process.files->limit == 0) continue;
    const OpenFiles& files = *process.files;
    auto open = static_cast<double>(files.open);
    auto limit = static_cast<double>(*files.limit);
    const ProcessFacts* earlier = find_process(facts.before, process);
    double more = earlier != nullptr && earlier->files ? open - static_cast<double>(earlier->files->open) : 0;
    double a_second = more * 1e6 / elapsed_us(facts.before, facts.after);
    double share = percent(open, limit);
    bool soon = share >= 50 && a_second > 0 && (limit - open) / a_second <= kSoon;
    if (share < kNearlyAll && !soon) continue;
    std::string rate = more == 0 ? "" : fmt::format(", {:+.0f} a minute", a_second * 60);
    findings->push_back({.severity = share >= 99 ? Severity::critical : Severity::warning,
                         .text = fmt::format("{} has {} of {} descriptors open, {} of them sockets{}",
                                             shown_process(process), files.open, *files.limit, files.sockets, rate),
                         .remedy = "find out what it does not close, or raise RLIMIT_NOFILE (process.rlimits)",
                         .pid = process.pid,
                         .numbers = {{"open", open},
                                     {"limit", limit},
                                     {"sockets", files.sockets},
                                     {"more_a_minute", std::round(a_second * 60)}}});
  }
}

void find_cpu_quota(const Facts& facts, std::vector<Finding>* findings) {
  if (!facts.before.cgroup || !facts.after.cgroup || !facts.after.cgroup->cpu_quota_us) return;
  const CgroupFacts& before = *facts.before.cgroup;
  const CgroupFacts& now = *facts.after.cgroup;
  auto periods = growth(before.stats.cpu_periods, now.stats.cpu_periods).value_or(0);
  auto throttled = growth(before.stats.cpu_throttled, now.stats.cpu_throttled).value_or(0);
  double share = percent(static_cast<double>(throttled), static_cast<double>(periods));
  if (periods < kFewPeriods || share < kThrottledPeriods) return;
  double elapsed = elapsed_us(facts.before, facts.after);
  double quota = static_cast<double>(*now.cpu_quota_us) / static_cast<double>(now.cpu_period_us.value_or(100000));
  double used = static_cast<double>(growth(before.stats.cpu_usage_us, now.stats.cpu_usage_us).value_or(0)) / elapsed;
  double host = facts.host_cpu_wait_us ? percent(static_cast<double>(*facts.host_cpu_wait_us), elapsed) : -1;
  std::string rest = host < 0 ? "" : fmt::format("; on the whole host tasks waited in {:.0f} % of the time", host);
  findings->push_back(
      {.severity = share >= 90 ? Severity::critical : Severity::warning,
       .text = fmt::format("throttled in {:.0f} % of its periods: it used {:.2f} of its quota of {:.2f} CPU{}", share,
                           used, quota, rest),
       .remedy = "raise linux.resources.cpu.quota (minirun update --cpu-quota), or let it compute less at a time",
       .numbers = {{"throttled_percent", share}, {"quota_cpus", quota}, {"used_cpus", used}}});
}

void find_cpu_host(const Facts& facts, std::vector<Finding>* findings) {
  if (!facts.before.cgroup || !facts.after.cgroup) return;
  const CgroupFacts& before = *facts.before.cgroup;
  const CgroupFacts& now = *facts.after.cgroup;
  if (growth(before.stats.cpu_throttled, now.stats.cpu_throttled).value_or(0) > 0) return;  // it waits for its quota
  double waits = growth_in(facts, before.cpu_pressure, now.cpu_pressure, &Pressure::some_us);
  if (waits < kProcessorWait) return;
  double elapsed = elapsed_us(facts.before, facts.after);
  double used = static_cast<double>(growth(before.stats.cpu_usage_us, now.stats.cpu_usage_us).value_or(0)) / elapsed;
  bool own = used >= 0.9 * static_cast<double>(facts.host_cpus);
  findings->push_back(
      {.severity = own ? Severity::note : Severity::warning,
       .text = fmt::format("its processes waited for a processor in {:.0f} % of the time; it used {:.2f} of the host's "
                           "{} CPUs{}",
                           waits, used, facts.host_cpus, own ? ", so they wait for each other" : ""),
       .remedy = own ? "start fewer processes and threads at a time, or use a machine with more processors"
                     : "others use the processors: move some away, or raise linux.resources.cpu.shares; if "
                       "cpu.cpus lists few processors, list more",
       .numbers = {{"wait_percent", waits}, {"used_cpus", used}, {"host_cpus", static_cast<double>(facts.host_cpus)}}});
}

}  // namespace minirun
