// SPDX-License-Identifier: Apache-2.0
#include "runtime/inspect/usage.h"

#include <unistd.h>

#include <algorithm>
#include <tuple>

#include "runtime/inspect/shares.h"

namespace minirun {
namespace {

using Count = std::optional<uint64_t>;

// Between two looks at the same container.
class Rates {
 public:
  Rates(const Sample* before, const Sample& after) : before_(before), after_(after) {
    const bool same = before != nullptr && before->first == after.first && before->cgroup && after.cgroup;
    if (same) us_ = elapsed_us(*before, after);
  }

  // In percent of the time.
  std::optional<double> share(Count CgroupStats::*counter) const {
    if (us_ <= 0) return std::nullopt;
    auto more = growth(before_->cgroup->stats.*counter, after_.cgroup->stats.*counter);
    return more ? std::optional(percent(static_cast<double>(*more), us_)) : std::nullopt;
  }
  std::optional<double> wait(std::optional<Pressure> CgroupFacts::*pressure) const {
    if (us_ <= 0) return std::nullopt;
    const auto& before = *before_->cgroup.*pressure;
    const auto& after = *after_.cgroup.*pressure;
    if (!before || !after) return std::nullopt;
    auto more = growth(before->some_us, after->some_us);
    return std::min(100.0, percent(static_cast<double>(*more), us_));
  }
  std::optional<double> throttled() const {
    if (us_ <= 0) return std::nullopt;
    auto periods = growth(before_->cgroup->stats.cpu_periods, after_.cgroup->stats.cpu_periods);
    auto throttled = growth(before_->cgroup->stats.cpu_throttled, after_.cgroup->stats.cpu_throttled);
    if (!periods || !throttled) return std::nullopt;
    return percent(static_cast<double>(*throttled), static_cast<double>(*periods));
  }

 private:
  const Sample* before_;
  const Sample& after_;
  double us_ = 0;
};

std::optional<FullestProcess> fullest_of(const Sample& sample) {
  std::optional<FullestProcess> fullest;
  double most = -1;
  for (const ProcessFacts& process : sample.processes) {
    if (!process.files) continue;
    double share =
        percent(static_cast<double>(process.files->open), static_cast<double>(process.files->limit.value_or(0)));
    if (share <= most) continue;
    most = share;
    fullest = FullestProcess{process.pid, process.stat.name, process.files->open, process.files->limit};
  }
  return fullest;
}

void take_cgroup(const Rates& rates, const CgroupFacts& cgroup, ContainerUsage* usage) {
  usage->cpu_percent = rates.share(&CgroupStats::cpu_usage_us);
  if (cgroup.cpu_quota_us && cgroup.cpu_period_us)
    usage->cpu_quota_percent =
        percent(static_cast<double>(*cgroup.cpu_quota_us), static_cast<double>(*cgroup.cpu_period_us));
  // Without a quota no period counts.
  if (usage->cpu_quota_percent) usage->throttled_percent = rates.throttled();
  usage->memory_bytes = cgroup.stats.memory_current_bytes;
  usage->memory_limit_bytes = cgroup.stats.memory_max_bytes;
  usage->swap_bytes = cgroup.stats.swap_current_bytes;
  usage->cpu_wait_percent = rates.wait(&CgroupFacts::cpu_pressure);
  usage->memory_wait_percent = rates.wait(&CgroupFacts::memory_pressure);
  usage->io_wait_percent = rates.wait(&CgroupFacts::io_pressure);
  usage->tasks = cgroup.stats.pids_current;
  usage->tasks_limit = cgroup.pids_max;
  usage->oom_kills = cgroup.stats.oom_kills;
}

}  // namespace

ContainerUsage usage_of(const Sample* before, const Sample& after) {
  ContainerUsage usage{.id = after.id, .status = after.status, .pid = after.first};
  if (after.cgroup) take_cgroup(Rates(before, after), *after.cgroup, &usage);
  usage.processes = after.processes.size();
  usage.zombies =
      static_cast<uint64_t>(std::count_if(after.processes.begin(), after.processes.end(),
                                          [](const ProcessFacts& process) { return process.stat.state == 'Z'; }));
  usage.fullest = fullest_of(after);
  usage.unseen = after.unseen;
  return usage;
}

std::vector<ProcessUsage> process_usage_of(const Sample* before, const Sample& after) {
  std::vector<ProcessUsage> all;
  const auto ticks_a_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  for (const ProcessFacts& process : after.processes) {
    const ProcessStat& stat = process.stat;
    ProcessUsage usage{process.pid, stat.parent, std::nullopt, stat.state};
    if (process.status) usage.uid = process.status->uid;
    const ProcessFacts* earlier = before != nullptr ? find_process(*before, process) : nullptr;
    if (earlier != nullptr) {
      auto more = static_cast<double>(*growth(earlier->stat.cpu_ticks, stat.cpu_ticks));
      usage.cpu_percent = percent(more * 1e6 / ticks_a_second, elapsed_us(*before, after));
    }
    if (stat.state != 'Z') usage.memory_bytes = stat.resident_bytes;
    usage.threads = stat.threads;
    if (process.files) {
      usage.open_files = process.files->open;
      usage.open_files_limit = process.files->limit;
    }
    usage.wait_channel = process.wait_channel;
    usage.name = stat.name;
    all.push_back(std::move(usage));
  }
  std::sort(all.begin(), all.end(), [](const ProcessUsage& a, const ProcessUsage& b) {
    return std::tuple(b.cpu_percent, b.memory_bytes, a.pid) < std::tuple(a.cpu_percent, a.memory_bytes, b.pid);
  });
  return all;
}

void sort_by_use(std::vector<ContainerUsage>* containers) {
  auto rank = [](const ContainerUsage& one) { return one.pid != 0; };
  std::sort(containers->begin(), containers->end(), [&](const ContainerUsage& a, const ContainerUsage& b) {
    return std::tuple(rank(b), b.cpu_percent, b.memory_bytes, a.id) <
           std::tuple(rank(a), a.cpu_percent, a.memory_bytes, b.id);
  });
}

}  // namespace minirun
