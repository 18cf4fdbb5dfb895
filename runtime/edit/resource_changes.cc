// SPDX-License-Identifier: Apache-2.0
// Changes of /linux/resources.
#include <charconv>
#include <cmath>

#include "runtime/edit/changes.h"
#include "runtime/text/byte_size.h"
#include "runtime/text/json.h"

namespace minirun {
namespace {

// All of the text as a number.
template <class T>
std::optional<T> number_in(std::string_view text) {
  T number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

// The swap stays: it is the sum of memory and swap, which must not be less than the limit.
Result<void> change_memory(JsonEdit& config, const std::string& size) {
  config.label("--memory");
  auto bytes = parse_byte_size(size);
  if (!bytes.ok()) return wrap(bytes.error(), "--memory");
  if (*bytes == 0) return fail(ErrorKind::usage, "--memory: must be at least 1 byte, or -1 for no limit: found 0");
  return config.set("/linux/resources/memory/limit", std::to_string(*bytes));
}

// cpu.max has a quota in each period, in microseconds: at least 1 ms (kernel/sched/core.c, min_cfs_quota_period).
Result<void> change_cpus(JsonEdit& config, const std::string& cpus) {
  constexpr double kMostCpus = 8192;  // NR_CPUS on x86
  constexpr int64_t kLeastQuota = 1000, kUsualPeriod = 100'000;
  const std::string cpu = "/linux/resources/cpu";
  config.label("--cpus");
  if (cpus == "-1") return config.set(cpu + "/quota", "-1");
  bool digits = !cpus.empty() && cpus.find_first_not_of("0123456789.") == std::string::npos;
  auto number = digits ? number_in<double>(cpus) : std::nullopt;
  if (!number || *number > kMostCpus)
    return fail(ErrorKind::usage,
                "--cpus: must be a number of CPUs from 0.01 to {}, such as 1.5, or -1 for no limit: "
                "found {}",
                kMostCpus, quoted(cpus));
  int64_t period = number_in<int64_t>(config.get(cpu + "/period").value_or("")).value_or(0);
  const bool has_period = period >= 1000 && period <= 1'000'000;
  if (!has_period) period = kUsualPeriod;
  const int64_t quota = std::llround(*number * static_cast<double>(period));
  if (quota < kLeastQuota)
    return fail(ErrorKind::usage,
                "--cpus: must be at least {}, which is 1 ms in each period of {} microseconds: found {}",
                static_cast<double>(kLeastQuota) / static_cast<double>(period), period, quoted(cpus));
  TRY(config.set(cpu + "/quota", std::to_string(quota)));
  if (has_period) return {};
  return config.set(cpu + "/period", std::to_string(period));
}

Result<void> change_pids(JsonEdit& config, const std::string& pids) {
  constexpr int64_t kMostPids = 4194304;  // PID_MAX_LIMIT
  config.label("--pids");
  auto number = number_in<int64_t>(pids);
  if (!number || *number == 0 || *number < -1 || *number > kMostPids)
    return fail(ErrorKind::usage, "--pids: must be a number from 1 to {}, or -1 for no limit: found {}", kMostPids,
                quoted(pids));
  return config.set("/linux/resources/pids/limit", std::to_string(*number));
}

}  // namespace minirun
