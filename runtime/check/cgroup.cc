// SPDX-License-Identifier: Apache-2.0
// Whether the container's cgroup and its limits can be made: cgroup-v2.rst, "Controlling Controllers" and "Delegation".
#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

#include "cgroups/controllers.h"
#include "cgroups/hierarchy.h"
#include "runtime/check/parts.h"
#include "runtime/resources/cgroup_path.h"
#include "runtime/resources/host_resources.h"
#include "runtime/text/json.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr const char* kPathPointer = "/linux/cgroupsPath";

// The part of the path that exists.
std::string existing(const Hierarchy& hierarchy, std::string path) {
  while (path.size() > 1 && faccessat(hierarchy.root.get(), ("." + path).c_str(), F_OK, AT_EACCESS) < 0 &&
         (errno == ENOENT || errno == ENOTDIR))
    path = directory_of(path);
  return path;
}

// Whether run may use the cgroup, or make it where only the part `there` exists.
bool check_place(const Hierarchy& hierarchy, const std::string& path, const std::string& there, CheckReport* report) {
  if (there == path) {
    auto events = read_file(hierarchy.root.get(), "." + path + "/cgroup.events");
    struct stat info {};
    if (!events.ok() || fstatat(hierarchy.root.get(), ("." + path).c_str(), &info, 0) < 0) {
      report->no("cgroup", kPathPointer, fmt::format("{} cannot be used as a cgroup", path));
      return false;
    }
    const char* why = events->find("populated 1") != std::string::npos ? "has processes"
                      : info.st_nlink > 2                              ? "has child cgroups"
                      : events->find("frozen 1") != std::string::npos  ? "is frozen"
                                                                       : nullptr;
    if (why == nullptr) return true;
    report->no("cgroup", kPathPointer,
               fmt::format("{} {}: minirun takes an existing cgroup only if it is unused", path, why),
               "choose another path");
    return false;
  }
  if (faccessat(hierarchy.root.get(), ("." + there).c_str(), W_OK, AT_EACCESS) == 0) return true;
  report->no("cgroup", kPathPointer, fmt::format("this user may not make a cgroup in {}", there),
             "have one delegated: systemd-run --user --scope --property=Delegate=yes");
  return false;
}

struct Refusal {
  bool certain;
  std::string text;
};

// Why run cannot pass the controller on from this cgroup (cgroup-v2.rst, "No Internal Process Constraint"); nothing: it
// can. The kernel's own root, which alone has no cgroup.type, may have processes.
std::optional<Refusal> why_not_enabled(const Hierarchy& hierarchy, const std::string& path,
                                       const std::string& controller) {
  const std::string directory = "." + path;
  auto enabled = read_file(hierarchy.root.get(), directory + "/cgroup.subtree_control");
  if (enabled.ok() && lists_controller(*enabled, controller)) return std::nullopt;
  if (faccessat(hierarchy.root.get(), (directory + "/cgroup.subtree_control").c_str(), W_OK, AT_EACCESS) < 0)
    return Refusal{
        true, fmt::format("the controller {} is not enabled in {}, and this user may not enable it", controller, path)};
  auto type = read_file(hierarchy.root.get(), directory + "/cgroup.type");
  if (!type.ok() && type.error().code == ENOENT) return std::nullopt;
  auto processes = read_file(hierarchy.root.get(), directory + "/cgroup.procs");
  if (type.ok() && *type == "domain\n" && processes.ok() && processes->empty()) return std::nullopt;
  const bool full = processes.ok() && !processes->empty();
  return Refusal{full, fmt::format("the controller {} is not enabled in {}, {}", controller, path,
                                   full ? "and the kernel enables none where that cgroup has processes"
                                        : "and it is uncertain whether it can be")};
}

bool check_controller(const Hierarchy& hierarchy, const ControllerNeed& need, const std::string& there,
                      CheckReport* report) {
  auto offered = read_file(hierarchy.root.get(), "cgroup.controllers");
  if (!offered.ok()) {
    report->unknown("cgroup", need.origin, offered.error().text());
    return false;
  }
  if (!lists_controller(*offered, need.controller)) {
    auto states = read_file(AT_FDCWD, "/proc/cgroups");
    report->no("cgroup", need.origin,
               fmt::format("needs the controller {}, {}", need.controller,
                           why_controller_missing(need.controller, parse_proc_cgroups(states.ok() ? *states : ""))));
    return false;
  }
  // In each cgroup above the new one it is enabled, or can be.
  std::string above = "/";
  for (size_t end = 0; end != std::string::npos;) {
    if (auto why = why_not_enabled(hierarchy, above, need.controller)) {
      report->lines.push_back({why->certain ? Verdict::no : Verdict::unknown, "cgroup", need.origin, why->text,
                               why->certain ? "run minirun from another cgroup" : ""});
      return false;
    }
    if (there == "/" || end == there.size()) break;
    end = std::min(there.find('/', end + 1), there.size());
    above = there.substr(0, end);
  }
  return true;
}

// Below this the kernel may find no memory for an exec: the init and a small static program take a third of it.
constexpr uint64_t kEnoughMemory = uint64_t{4} << 20;

bool is_number(const std::string& text, uint64_t* number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

// Of the file "hugetlb.2MB.max": whether this machine has pages of that size.
bool has_huge_pages(std::string_view file) {
  uint64_t size = 0;
  const std::string_view text = file.substr(file.find('.') + 1);
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || end == text.data() + text.size()) return false;
  const uint64_t kib = *end == 'G' ? size << 20 : *end == 'M' ? size << 10 : size;
  return access(fmt::format("/sys/kernel/mm/hugepages/hugepages-{}kB", kib).c_str(), F_OK) == 0;
}

// Whether the kernel is sure to take the value, and the container to start with it.
bool is_plain(const Write& write) {
  uint64_t number = 0;
  const bool most = write.value == "max", whole = is_number(write.value, &number);
  if (write.file == "pids.max") return most || (whole && number >= 4);
  if (write.file == "memory.max" || write.file == "memory.high") return most || (whole && number >= kEnoughMemory);
  if (write.file == "memory.low" || write.file == "memory.min") return most || whole;
  if (write.file == "cpu.weight") return whole && number >= 1 && number <= 10'000;
  if (write.file == "cpu.idle" || write.file == "cgroup.max.depth" || write.file == "cgroup.max.descendants")
    return most || whole;
  if (write.file.starts_with("hugetlb.")) return (most || whole) && has_huge_pages(write.file);
  if (write.file != "cpu.max") return false;
  const size_t space = write.value.find(' ');
  uint64_t period = 100'000;
  const bool good = space == std::string::npos || is_number(write.value.substr(space + 1), &period);
  const std::string quota = write.value.substr(0, space);
  return good && period >= 1'000 && period <= 1'000'000 &&
         (quota == "max" || (is_number(quota, &number) && number >= 1'000));
}

void check_values(const LimitPlan& limits, CheckReport* report) {
  std::string last;
  for (const Write& write : limits.writes) {
    if (write.origin == last || is_plain(write)) continue;
    last = write.origin;
    report->unknown("cgroup", write.origin, fmt::format("whether the kernel takes {} = {}", write.file, write.value));
  }
}

}  // namespace

void check_cgroup(const CheckedBundle& bundle, CgroupDriver driver, CheckReport* report) {
  const Compiled& compiled = bundle.prepared.compiled;
  if (driver == CgroupDriver::disabled) {
    auto none = place_nowhere(compiled);
    return none.ok() ? report->yes("cgroup", "none: --cgroup-manager is disabled") : report->no("cgroup", none.error());
  }
  auto hierarchy = find_hierarchy();
  if (!hierarchy.ok()) return report->no("cgroup", hierarchy.error());
  if (driver == CgroupDriver::systemd) {
    auto path = scope_path(bundle.spec, compiled, bundle.prepared.id);
    if (!path.ok()) return report->no("cgroup", path.error());
    return report->unknown("cgroup", kPathPointer, fmt::format("whether systemd makes the scope {}", *path));
  }
  auto path = place_cgroup(*hierarchy, bundle.spec, compiled);
  if (!path.ok()) return report->no("cgroup", path.error());
  if (path->empty()) return report->yes("cgroup", "none: this user may make none, and the container needs none");
  if (*path == "/") return report->no("cgroup", kPathPointer, "is the root of the tree", "name a cgroup below it");
  const std::string there = existing(*hierarchy, *path);
  if (!check_place(*hierarchy, *path, there, report)) return;
  bool all = true;
  const std::string above = there == *path ? directory_of(there) : there;
  for (const ControllerNeed& need : compiled.limits.needed)
    all = check_controller(*hierarchy, need, above, report) && all;
  if (all) check_values(compiled.limits, report);
  if (all) report->yes("cgroup", fmt::format("{}{} can be made", hierarchy->mount_point, *path));
}

void check_host_resources(const CheckedBundle& bundle, CheckReport* report) {
  const oci::Linux& given = bundle.spec.linux_;
  auto surveyed = survey_host_side(bundle.spec, bundle.prepared.id);
  if (!surveyed.ok()) return report->no("host", surveyed.error());
  if (given.intel_rdt) report->unknown("host", "/linux/intelRdt", "whether resctrl takes it");
  for (const auto& device : given.net_devices) {
    const std::string pointer = "/linux/netDevices/" + pointer_token(device.first);
    if (if_nametoindex(device.first.c_str()) == 0 && errno == ENODEV)
      report->no("network", pointer, "this network namespace has no such device");
    else
      report->unknown("network", pointer, "whether the device can be moved");
  }
}

}  // namespace minirun
