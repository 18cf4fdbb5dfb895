// SPDX-License-Identifier: Apache-2.0
#include "cgroups/limits.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <string_view>

namespace minirun {
namespace {

constexpr int64_t kPidMaxLimit = 4 << 20;  // include/linux/threads.h, 64 bits

class Planner {
 public:
  // A write that sets a limit: an error without its controller.
  Write& limit(std::string file, std::string value, const std::string& origin) {
    need(file, origin);
    plan_.writes.push_back({.file = std::move(file), .value = std::move(value), .origin = origin});
    return plan_.writes.back();
  }

  // A write that lifts a limit: without its controller it does nothing, since no limit exists.
  Write& lift(std::string file, std::string value, const std::string& origin) {
    plan_.writes.push_back(
        {.file = std::move(file), .value = std::move(value), .origin = origin, .may_be_missing = true});
    return plan_.writes.back();
  }

  LimitPlan take() { return std::move(plan_); }

 private:
  // A control file's name begins with its controller's: "memory.max". Files of the core ("cgroup.max.depth") always
  // exist.
  void need(std::string_view file, const std::string& origin) {
    std::string_view controller = file.substr(0, file.find('.'));
    if (controller == "cgroup") return;
    for (const ControllerNeed& known : plan_.needed)
      if (known.controller == controller) return;
    plan_.needed.push_back({std::string(controller), origin});
  }

  LimitPlan plan_;
};

Error refused_limit(const std::string& origin, const std::string& why) {
  Error error = fail(ErrorKind::config, EINVAL, "{}: {}", origin, why);
  error.change_details().pointer = origin;
  return error;
}

Result<void> refuse_negative(const std::optional<int64_t>& value, const char* origin) {
  if (value.value_or(0) < -1)
    return refused_limit(origin, fmt::format("{} is out of range (-1 means no limit)", *value));
  return {};
}

// Derives the swap limit from the limit of memory and swap together.
Result<void> plan_swap(Planner& planner, int64_t limit, int64_t swap) {
  const char* origin = "/linux/resources/memory/swap";
  if (swap == 0) return {};
  if (swap == -1) {
    planner.lift("memory.swap.max", "max", origin);
    return {};
  }
  if (limit <= 0)
    return refused_limit(origin,
                         fmt::format("{} counts memory and swap together, so it needs a memory limit too", swap));
  if (swap < limit)
    return refused_limit(
        origin,
        fmt::format("{} counts memory and swap together, so it cannot be less than the memory limit {}", swap, limit));
  Write& write = planner.limit("memory.swap.max", std::to_string(swap - limit), origin);
  write.may_be_missing = swap == limit;  // a kernel without swap accounting (CONFIG_SWAP) never swaps
  return {};
}

Result<void> plan_memory(Planner& planner, const MemoryLimits& memory) {
  TRY(refuse_negative(memory.limit, "/linux/resources/memory/limit"));
  TRY(refuse_negative(memory.reservation, "/linux/resources/memory/reservation"));
  TRY(refuse_negative(memory.swap, "/linux/resources/memory/swap"));
  int64_t limit = memory.limit.value_or(0);
  // Swap first: when a limit is lowered, pages that no longer fit must not go to forbidden swap.
  TRY(plan_swap(planner, limit, memory.swap.value_or(0)));
  if (limit == -1) planner.lift("memory.max", "max", "/linux/resources/memory/limit");
  if (limit > 0) {
    Write& write = planner.limit("memory.max", std::to_string(limit), "/linux/resources/memory/limit");
    if (memory.check_before_update) write.not_below = "memory.current";
  }
  // A soft limit of cgroup v1 protects memory under pressure: that is memory.low, not memory.high, which throttles.
  if (int64_t low = memory.reservation.value_or(0); low != 0)
    planner.limit("memory.low", low < 0 ? "max" : std::to_string(low), "/linux/resources/memory/reservation");
  return {};
}

// One write for quota and period: between two writes a quota would apply to the wrong period.
void plan_quota(Planner& planner, const CpuLimits& cpu) {
  uint64_t period = cpu.period.value_or(0);
  if (!cpu.quota && period == 0) return;
  std::string value = cpu.quota.value_or(0) > 0 ? std::to_string(*cpu.quota) : "max";
  constexpr uint64_t kUsualPeriod = 100000;  // of every cgroup (Documentation/admin-guide/cgroup-v2.rst, "cpu.max")
  bool asks = value != "max" || (period != 0 && period != kUsualPeriod);
  if (period != 0) value += " " + std::to_string(period);
  const char* origin = cpu.quota ? "/linux/resources/cpu/quota" : "/linux/resources/cpu/period";
  if (asks) {
    planner.limit("cpu.max", value, origin);
  } else {
    planner.lift("cpu.max", value, origin);
  }
}

Result<void> plan_cpu(Planner& planner, const CpuLimits& cpu) {
  int64_t idle = cpu.idle.value_or(0);
  if (idle != 0 && idle != 1)
    return refused_limit("/linux/resources/cpu/idle", fmt::format("{} is neither 0 nor 1", idle));
  // Before the weight: while cpu.idle is 1 the kernel refuses a weight (idle is the lowest one), and resetting it
  // restores the default weight.
  if (idle == 1) planner.limit("cpu.idle", "1", "/linux/resources/cpu/idle");
  if (cpu.idle && idle == 0) planner.lift("cpu.idle", "0", "/linux/resources/cpu/idle");
  if (uint64_t shares = cpu.shares.value_or(0); shares != 0 && idle != 1)
    planner.limit("cpu.weight", std::to_string(cpu_weight_from_shares(shares)), "/linux/resources/cpu/shares");

  plan_quota(planner, cpu);
  if (uint64_t burst = cpu.burst.value_or(0); burst != 0) {
    if (cpu.quota.value_or(0) > 0 && burst > static_cast<uint64_t>(*cpu.quota))
      return refused_limit("/linux/resources/cpu/burst",
                           fmt::format("{} is more than the quota {}", burst, *cpu.quota));
    planner.limit("cpu.max.burst", std::to_string(burst),
                  "/linux/resources/cpu/burst");  // after the quota, which bounds it
  } else if (cpu.burst) {
    planner.lift("cpu.max.burst", "0", "/linux/resources/cpu/burst");
  }

  if (!cpu.cpus.empty())
    planner.limit("cpuset.cpus", cpu.cpus, "/linux/resources/cpu/cpus").effective = "cpuset.cpus.effective";
  if (!cpu.mems.empty())
    planner.limit("cpuset.mems", cpu.mems, "/linux/resources/cpu/mems").effective = "cpuset.mems.effective";
  return {};
}

// The I/O scheduler decides which of the two files applies: BFQ has its own, with the scale of cgroup v1.
Result<void> plan_io_weight(Planner& planner, const std::string& device, uint16_t weight, const std::string& origin) {
  if (weight < 10 || weight > 1000) return refused_limit(origin, fmt::format("{} is not in 10..1000", weight));
  Write& write = planner.limit("io.bfq.weight", fmt::format("{}{}", device, weight), origin);
  write.fallback_file = "io.weight";
  write.fallback_value = fmt::format("{}{}", device, io_weight_from_blkio(weight));
  return {};
}

void plan_io_rates(Planner& planner, const std::vector<IoRate>& rates, const char* key, const char* property) {
  for (size_t i = 0; i < rates.size(); ++i) {
    const IoRate& rate = rates[i];
    std::string origin = fmt::format("/linux/resources/blockIO/{}/{}", property, i);
    std::string prefix = fmt::format("{}:{} {}=", rate.device.major, rate.device.minor, key);
    if (rate.rate == 0) {
      planner.lift("io.max", prefix + "max", origin);
    } else {
      planner.limit("io.max", prefix + std::to_string(rate.rate), origin);
    }
  }
}

Result<void> plan_io(Planner& planner, const IoLimits& io) {
  if (io.weight.value_or(0) != 0) TRY(plan_io_weight(planner, "", *io.weight, "/linux/resources/blockIO/weight"));
  for (size_t i = 0; i < io.weight_device.size(); ++i) {
    const auto& [device, weight] = io.weight_device[i];
    TRY(plan_io_weight(planner, fmt::format("{}:{} ", device.major, device.minor), weight,
                       fmt::format("/linux/resources/blockIO/weightDevice/{}", i)));
  }
  plan_io_rates(planner, io.read_bps, "rbps", "throttleReadBpsDevice");
  plan_io_rates(planner, io.write_bps, "wbps", "throttleWriteBpsDevice");
  plan_io_rates(planner, io.read_iops, "riops", "throttleReadIOPSDevice");
  plan_io_rates(planner, io.write_iops, "wiops", "throttleWriteIOPSDevice");
  return {};
}

Result<void> plan_pids(Planner& planner, std::optional<int64_t> limit, uint32_t extra_tasks) {
  TRY(refuse_negative(limit, "/linux/resources/pids/limit"));
  if (!limit) return {};
  // The kernel refuses more than PID_MAX_LIMIT; such a limit could never be reached anyway.
  if (*limit == -1 || *limit > kPidMaxLimit - extra_tasks) {
    planner.lift("pids.max", "max", "/linux/resources/pids/limit");
    return {};
  }
  // With pids.max 0 the first process could not be born in the cgroup; "only that task" is the strictest limit a
  // container can have.
  uint64_t tasks = std::max<uint64_t>(static_cast<uint64_t>(*limit), 1) + extra_tasks;
  planner.limit("pids.max", std::to_string(tasks), "/linux/resources/pids/limit");
  return {};
}

// "2MB": becomes part of a file name.
bool is_page_size(std::string_view text) {
  if (text.size() < 3 || text.back() != 'B' || std::string_view("KMG").find(text[text.size() - 2]) == text.npos)
    return false;
  std::string_view digits = text.substr(0, text.size() - 2);
  return digits[0] != '0' && digits.find_first_not_of("0123456789") == digits.npos;
}

Result<void> plan_hugepages(Planner& planner, const std::vector<HugepageLimit>& hugepages) {
  for (size_t i = 0; i < hugepages.size(); ++i) {
    const HugepageLimit& huge = hugepages[i];
    std::string origin = fmt::format("/linux/resources/hugepageLimits/{}", i);
    if (!is_page_size(huge.page_size))
      return refused_limit(origin, fmt::format("page size \"{}\" is not like 64KB, 2MB or 1GB", huge.page_size));
    std::string limit = std::to_string(huge.limit_bytes);
    planner.limit("hugetlb." + huge.page_size + ".max", limit, origin);
    // A limit for reservations makes mmap(2) fail instead of a later access ending in SIGBUS; Linux 5.7.
    planner.limit("hugetlb." + huge.page_size + ".rsvd.max", limit, origin).may_be_missing = true;
  }
  return {};
}

Result<void> plan_rdma(Planner& planner, const std::vector<RdmaLimit>& limits) {
  for (const RdmaLimit& rdma : limits) {
    std::string origin = "/linux/resources/rdma/" + rdma.device;
    if (rdma.device.empty() || rdma.device.find_first_of(" \n=") != std::string::npos)
      return refused_limit(origin, "not the name of a device");
    std::string value = rdma.device;
    if (rdma.hca_handles) value += fmt::format(" hca_handle={}", *rdma.hca_handles);
    if (rdma.hca_objects) value += fmt::format(" hca_object={}", *rdma.hca_objects);
    if (value == rdma.device) return refused_limit(origin, "neither hcaHandles nor hcaObjects is given");
    planner.limit("rdma.max", value, origin);
  }
  return {};
}

// Excludes files of the cgroup core that act on processes instead of limiting them: "cgroup.procs" would move processes
// of the host, "cgroup.freeze" would hang the start.
bool is_limit_file(std::string_view file) {
  if (file.find('/') != file.npos || file.find('.') == file.npos || file[0] == '.') return false;
  if (!file.starts_with("cgroup.")) return true;
  return file == "cgroup.max.depth" || file == "cgroup.max.descendants" || file == "cgroup.pressure";
}

Result<void> plan_unified(Planner& planner, const std::vector<std::pair<std::string, std::string>>& unified) {
  for (const auto& [file, content] : unified) {
    std::string origin = "/linux/resources/unified/" + file;
    if (!is_limit_file(file)) return refused_limit(origin, "not the name of a limit file of a cgroup");
    for (size_t start = 0; start < content.size();) {
      size_t end = std::min(content.find('\n', start), content.size());
      if (end > start) planner.limit(file, content.substr(start, end - start), origin);
      start = end + 1;
    }
  }
  return {};
}

}  // namespace

uint64_t cpu_weight_from_shares(uint64_t shares) {
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  // The parabola in log(shares) through the three points, as in runc 1.3.2 and crun 1.23 since 2025. The earlier
  // straight line gave a default container 39, while anything outside a container had 100 (kubernetes issue 131216).
  double l = std::log2(static_cast<double>(shares));
  return static_cast<uint64_t>(std::ceil(std::pow(10.0, (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0)));
}

uint64_t io_weight_from_blkio(uint64_t weight) {
  return 1 + (weight - 10) * 9999 / 990;
}

Result<LimitPlan> plan_limits(const Limits& limits, uint32_t extra_tasks) {
  Planner planner;
  TRY(plan_memory(planner, limits.memory));
  TRY(plan_cpu(planner, limits.cpu));
  TRY(plan_pids(planner, limits.pids, extra_tasks));
  TRY(plan_io(planner, limits.io));
  TRY(plan_hugepages(planner, limits.hugepages));
  TRY(plan_rdma(planner, limits.rdma));
  TRY(plan_unified(planner, limits.unified));  // last: it overrides what is above
  return planner.take();
}

}  // namespace minirun
