// SPDX-License-Identifier: Apache-2.0
// Rules for /linux/resources. unsupported.cc has those for settings that only cgroup v1 has.
#include <algorithm>
#include <charconv>
#include <optional>

#include "runtime/oci/checker.h"
#include "runtime/text/json.h"

namespace minirun {

static void check_device_rules(Checker& checker, const std::vector<oci::DeviceRule>& rules) {
  for (size_t i = 0; i < rules.size(); ++i) {
    const std::string& access = rules[i].access;
    std::string pointer = at("/linux/resources/devices", i) + "/access";
    if (access.find_first_not_of("rwm") != std::string::npos)
      checker.problem(pointer, "must be made of r (read), w (write) and m (mknod): found {}", quoted(access));
    // A deny rule without access denies all; an allow rule without access is probably a mistake.
    if (access.empty() && rules[i].allow)
      checker.problem(pointer, "is required where allow is true: r, w, m or several of them");
  }
}

static void check_memory(Checker& checker, const oci::Memory& memory) {
  int64_t limit = memory.limit.value_or(0);
  int64_t swap = memory.swap.value_or(0);
  if (swap <= 0) return;  // 0 is not set, -1 no limit
  if (limit <= 0)
    checker.problem("/linux/resources/memory/swap",
                    "is memory and swap together, so it needs a memory limit: found {} without one", swap);
  else if (swap < limit)
    checker.problem("/linux/resources/memory/swap",
                    "is memory and swap together, so it must not be less than limit, {}: found {}", limit, swap);
}

// Takes the number from the front of the text.
static std::optional<uint32_t> take_number(std::string_view* text) {
  uint32_t number = 0;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc()) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  return number;
}

static bool take_sign(std::string_view* text, char sign) {
  if (!text->starts_with(sign)) return false;
  text->remove_prefix(1);
  return true;
}

// cpuset(7), "List format": 3, 0-3 or 0-31:2/16 (the first 2 of each 16).
static bool is_cpu_range(std::string_view range) {
  auto first = take_number(&range);
  if (!first) return false;
  if (!take_sign(&range, '-')) return range.empty();
  auto last = take_number(&range);
  if (!last || *last < *first) return false;
  if (!take_sign(&range, ':')) return range.empty();
  auto used = take_number(&range);
  if (!used || !take_sign(&range, '/')) return false;
  auto group = take_number(&range);
  return group && *group > 0 && *used <= *group && range.empty();
}

// The kernel skips any number of commas and blanks.
static void check_cpu_list(Checker& checker, const std::string& name, const std::string& list) {
  std::string_view rest = list;
  while (!rest.empty()) {
    std::string_view range = rest.substr(0, rest.find_first_of(", \n"));
    rest.remove_prefix(std::min(rest.size(), range.size() + 1));
    if (range.empty() || is_cpu_range(range)) continue;
    checker.problem("/linux/resources/cpu/" + name, "must be a list such as 0-3,7: found {}", quoted(list));
    return;
  }
}

// The kernel's bounds for cpu.max: a period from 1 ms to 1 s, a quota of at least 1 ms.
static void check_cpu(Checker& checker, const oci::Cpu& cpu) {
  const std::string base = "/linux/resources/cpu";
  uint64_t period = cpu.period.value_or(0);
  int64_t quota = cpu.quota.value_or(0);
  if (period != 0 && (period < 1000 || period > 1'000'000))
    checker.problem(base + "/period", "must be from 1000 to 1000000 microseconds: found {}", period);
  if (quota > 0 && quota < 1000)
    checker.problem(base + "/quota", "must be at least 1000 microseconds, or -1 for no limit: found {}", quota);
  if (quota > 0 && cpu.burst.value_or(0) > static_cast<uint64_t>(quota))
    checker.problem(base + "/burst", "must not be more than quota, {}: found {}", quota, *cpu.burst);
  if (cpu.idle == 1 && cpu.shares.value_or(0) != 0)  // the kernel refuses a weight then
    checker.warning(base + "/shares", "has no effect with idle 1: found {}", *cpu.shares);
  check_cpu_list(checker, "cpus", cpu.cpus);
  check_cpu_list(checker, "mems", cpu.mems);
}

static void check_weight(Checker& checker, const std::string& pointer, std::optional<uint16_t> weight) {
  bool set = weight.value_or(0) != 0;  // some engines send 0 for "not set"
  if (set && (*weight < 10 || *weight > 1000))
    checker.problem(pointer, "must be an integer from 10 to 1000: found {}", *weight);
}

static void check_block_io(Checker& checker, const oci::BlockIo& io) {
  check_weight(checker, "/linux/resources/blockIO/weight", io.weight);
  for (size_t i = 0; i < io.weight_device.size(); ++i) {
    const oci::WeightDevice& device = io.weight_device[i];
    std::string pointer = at("/linux/resources/blockIO/weightDevice", i);
    check_weight(checker, pointer + "/weight", device.weight);
    if (!device.weight && !device.leaf_weight) checker.problem(pointer + "/weight", "is required but missing");
  }
}

// [1-9][0-9]*[KMG]B
static bool is_page_size(std::string_view size) {
  size_t digits = size.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos || size[0] == '0') return false;
  std::string_view unit = size.substr(digits);
  return unit == "KB" || unit == "MB" || unit == "GB";
}

static void check_hugepages(Checker& checker, const std::vector<oci::HugepageLimit>& limits) {
  for (size_t i = 0; i < limits.size(); ++i) {
    const std::string& size = limits[i].page_size;
    std::string pointer = at("/linux/resources/hugepageLimits", i) + "/pageSize";
    if (!is_page_size(size)) {
      checker.problem(pointer, "must be a number and KB, MB or GB, as 2MB: found {}", quoted(size));
      continue;
    }
    auto same = [&](const oci::HugepageLimit& other) { return other.page_size == size; };
    if (std::any_of(limits.begin(), limits.begin() + static_cast<ptrdiff_t>(i), same))
      checker.problem(pointer, "must appear only once: {} appears twice", size);
  }
}

static void check_rdma(Checker& checker, const oci::Resources& resources) {
  for (const auto& [device, limits] : resources.rdma) {
    std::string pointer = "/linux/resources/rdma/" + pointer_token(device);
    if (device.empty() || device.find_first_of(" \t\n") != std::string::npos)
      checker.problem(pointer, "must be the name of a device: found {}", quoted(device));
    if (!limits.hca_handles && !limits.hca_objects)
      checker.problem(pointer, "must have hcaHandles or hcaObjects: found neither");
  }
}

static void check_unified(Checker& checker, const oci::StringMap& unified) {
  for (const auto& [file, value] : unified)
    if (file.empty() || file == "." || file == ".." || file.find('/') != std::string::npos)
      checker.problem("/linux/resources/unified/" + pointer_token(file),
                      "must be the name of a control file, without \"/\": found {}", quoted(file));
}

void check_resources(Checker& checker) {
  if (!checker.spec.linux_.resources) return;
  const oci::Resources& resources = *checker.spec.linux_.resources;
  check_device_rules(checker, resources.devices);
  if (resources.memory) check_memory(checker, *resources.memory);
  if (resources.cpu) check_cpu(checker, *resources.cpu);
  if (resources.block_io) check_block_io(checker, *resources.block_io);
  check_hugepages(checker, resources.hugepage_limits);
  check_rdma(checker, resources);
  check_unified(checker, resources.unified);
}

}  // namespace minirun
