// SPDX-License-Identifier: Apache-2.0
#include "cgroups/systemd/limit_properties.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace minirun::systemd {
namespace {

constexpr uint64_t kSecond = 1'000'000;       // microseconds
constexpr uint64_t kPercent = 10'000;         // of a second
constexpr uint64_t kDefaultPeriod = 100'000;  // microseconds: cpu.max of a new cgroup

std::optional<uint64_t> number_of(std::string_view text) {
  if (text == "max") return kInfinity;
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

class Collector {
 public:
  Collector(uint32_t version, Moment moment) : version_(version), moment_(moment) {}

  void add(const Write& write) {
    struct Plain {
      std::string_view file;
      const char* name;
      uint32_t since;
    };
    static constexpr Plain kPlain[] = {
        {"memory.max", "MemoryMax", 231},          {"memory.high", "MemoryHigh", 231},
        {"memory.low", "MemoryLow", 231},          {"memory.min", "MemoryMin", 240},
        {"memory.swap.max", "MemorySwapMax", 232}, {"memory.zswap.max", "MemoryZSwapMax", 253},
        {"cpu.weight", "CPUWeight", 232},          {"pids.max", "TasksMax", 227},
    };
    for (const Plain& plain : kPlain)
      if (plain.file == write.file && version_ >= plain.since)
        if (auto value = number_of(write.value)) set(number(plain.name, *value));
    if (write.file == "cpu.max") add_quota(write.value);
    // For systemd this weight means SCHED_IDLE, as cpu.idle does.
    if (write.file == "cpu.idle" && write.value == "1" && version_ >= 252) set(number("CPUWeight", 0));
    // In a delegated scope systemd itself kills no process, but sets this file accordingly.
    if (write.file == "memory.oom.group" && version_ >= 253 && moment_ == Moment::birth)
      set(text("OOMPolicy", write.value == "1" ? "kill" : "continue"));
    if (write.file == "cpuset.cpus") add_mask("AllowedCPUs", write.value);
    if (write.file == "cpuset.mems") add_mask("AllowedMemoryNodes", write.value);
    if (write.file == "io.weight") add_weight(write.value);
    if (write.file == "io.bfq.weight" && write.fallback_file == "io.weight") add_weight(write.fallback_value);
    if (write.file == "io.max") add_rates(write.value);
  }

  Properties take() { return std::move(properties_); }

 private:
  void set(Property property) {
    for (Property& known : properties_) {
      if (known.name != property.name) continue;
      known = std::move(property);
      return;
    }
    properties_.push_back(std::move(property));
  }

  // "QUOTA PERIOD", "QUOTA"
  void add_quota(std::string_view value) {
    size_t space = value.find(' ');
    auto quota = number_of(value.substr(0, space));
    auto period = space == value.npos ? std::optional(kDefaultPeriod) : number_of(value.substr(space + 1));
    if (!quota || !period || *period == 0 || *period == kInfinity) return;
    if (*quota != kInfinity && *quota > kInfinity / kSecond) quota = kInfinity;
    uint64_t per_second = *quota;
    if (per_second != kInfinity) {
      per_second = (*quota * kSecond + *period - 1) / *period;
      per_second = (per_second + kPercent - 1) / kPercent * kPercent;
    }
    set(number("CPUQuotaPerSecUSec", per_second));
    if (space != value.npos && version_ >= 242) set(number("CPUQuotaPeriodUSec", *period));
  }

  void add_mask(const char* name, const std::string& list) {
    std::string mask = cpu_mask_bytes(list);
    if (!mask.empty() && version_ >= 244) set(bytes(name, mask));
  }

  // "100", "default 100", "8:0 100"
  void add_weight(std::string_view value) {
    size_t space = value.find(' ');
    if (space == value.npos || value.substr(0, space) == "default") {
      if (auto weight = number_of(space == value.npos ? value : value.substr(space + 1)))
        set(number("IOWeight", *weight));
      return;
    }
    if (auto weight = number_of(value.substr(space + 1))) add_rate("IODeviceWeight", value.substr(0, space), *weight);
  }

  // "8:0 rbps=1048576 wiops=max"
  void add_rates(std::string_view value) {
    static constexpr std::pair<std::string_view, const char*> kKeys[] = {{"rbps", "IOReadBandwidthMax"},
                                                                         {"wbps", "IOWriteBandwidthMax"},
                                                                         {"riops", "IOReadIOPSMax"},
                                                                         {"wiops", "IOWriteIOPSMax"}};
    size_t space = value.find(' ');
    std::string_view device = value.substr(0, space);
    while (space != value.npos) {
      size_t start = space + 1;
      space = value.find(' ', start);
      std::string_view word = value.substr(start, space == value.npos ? space : space - start);
      size_t equals = word.find('=');
      if (equals == word.npos) continue;
      for (const auto& [key, name] : kKeys)
        if (key == word.substr(0, equals))
          if (auto rate = number_of(word.substr(equals + 1))) add_rate(name, device, *rate);
    }
  }

  // Each device has its own line in one property.
  void add_rate(const char* name, std::string_view device, uint64_t rate) {
    std::string path = fmt::format("/dev/block/{}", device);
    for (auto& [known, values] : rates_) {
      if (known != name) continue;
      std::erase_if(values, [&](const auto& value) { return value.first == path; });
      values.emplace_back(std::move(path), rate);
      set(rates(name, values));
      return;
    }
    rates_.push_back({name, {{std::move(path), rate}}});
    set(rates(name, rates_.back().second));
  }

  uint32_t version_;
  Moment moment_;
  Properties properties_;
  std::vector<std::pair<std::string_view, std::vector<std::pair<std::string, uint64_t>>>> rates_;
};

}  // namespace

std::string cpu_mask_bytes(const std::string& list) {
  constexpr uint64_t kMost = 1 << 16;
  std::string mask;
  for (size_t start = 0; start <= list.size();) {
    size_t end = std::min(list.find(',', start), list.size());
    std::string_view range = std::string_view(list).substr(start, end - start);
    size_t dash = range.find('-');
    auto first = number_of(range.substr(0, dash));
    auto last = dash == range.npos ? first : number_of(range.substr(dash + 1));
    if (!first || !last || *first > *last || *last >= kMost) return "";
    if (mask.size() <= *last / 8) mask.resize(*last / 8 + 1, '\0');
    for (uint64_t i = *first; i <= *last; i++)
      mask[i / 8] = static_cast<char>(static_cast<unsigned char>(mask[i / 8]) | (1U << (i % 8)));
    start = end + 1;
  }
  return mask;
}

Properties limit_properties(const std::vector<Write>& writes, uint32_t version, Moment moment) {
  Collector collector(version, moment);
  for (const Write& write : writes) collector.add(write);
  return collector.take();
}

}  // namespace minirun::systemd
