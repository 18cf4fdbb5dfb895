// SPDX-License-Identifier: Apache-2.0
// Rules for /linux, but for resources and seccomp.
#include <linux/sched.h>

#include <algorithm>
#include <climits>
#include <utility>

#include "namespaces/id_map.h"
#include "runtime/oci/checker.h"
#include "runtime/oci/mount_id_maps.h"
#include "runtime/oci/parse.h"
#include "runtime/oci/spec_facts.h"
#include "runtime/oci/sysctl.h"
#include "runtime/text/json.h"

namespace minirun {

static void check_namespaces(Checker& checker) {
  const auto& namespaces = checker.spec.linux_.namespaces;
  for (size_t i = 0; i < namespaces.size(); ++i) {
    const oci::Namespace& ns = namespaces[i];
    auto same = [&](const oci::Namespace& other) { return other.type == ns.type; };
    size_t first = static_cast<size_t>(std::find_if(namespaces.begin(), namespaces.end(), same) - namespaces.begin());
    if (ns.type != 0 && first < i)
      checker.problem(at("/linux/namespaces", i) + "/type", "must appear only once: {} is at /linux/namespaces/{} too",
                      oci::namespace_name(ns.type), first);
    if (!ns.path.empty()) checker.absolute_path(at("/linux/namespaces", i) + "/path", ns.path);
  }
}

// chroot(2) alone then confines the container to its root, and any mount would change the host's mounts.
static void check_without_mounts(Checker& checker) {
  if (checker.has_namespace(CLONE_NEWNS)) return;
  const oci::Spec& spec = checker.spec;
  const oci::Linux& linux_config = spec.linux_;
  const std::pair<const char*, bool> kMounts[] = {
      {"/mounts", !spec.mounts.empty()},
      {"/root/readonly", spec.root && spec.root->readonly},
      {"/process/terminal", spec.process && spec.process->terminal},
      {"/linux/devices", !linux_config.devices.empty()},
      {"/linux/maskedPaths", !linux_config.masked_paths.empty()},
      {"/linux/readonlyPaths", !linux_config.readonly_paths.empty()},
      {"/linux/rootfsPropagation", linux_config.rootfs_propagation.has_value()}};
  for (const auto& [pointer, asked] : kMounts)
    if (asked)
      checker.problem(pointer, "needs a mount namespace in /linux/namespaces: the host's own mounts would change");
}

// user_namespaces(7). Beside a path, engines send the mappings that the namespace already has.
static void check_mappings(Checker& checker, const std::string& pointer, const std::vector<oci::IdMapping>& mappings) {
  const oci::Namespace* user = oci::find_namespace(checker.spec, CLONE_NEWUSER);
  if (user == nullptr) {
    if (!mappings.empty()) checker.problem(pointer, "needs a user namespace in /linux/namespaces");
    return;
  }
  if (mappings.empty() && user->path.empty())
    return checker.problem(pointer, "is required for a new user namespace but missing or empty");
  bool has_root = mappings.empty();
  for (size_t i = 0; i < mappings.size(); ++i) {
    has_root |= mappings[i].container_id == 0;
    if (mappings[i].size == 0) checker.problem(at(pointer, i) + "/size", "must be at least 1: found 0");
  }
  if (!has_root) checker.problem(pointer, "must map containerID 0: root of its user namespace sets the container up");
  auto wrong = id_map_problem(to_id_maps(mappings));
  if (wrong && has_root) checker.problem(pointer, "{}", *wrong);
}

static void check_time_offsets(Checker& checker) {
  const oci::Linux& linux_config = checker.spec.linux_;
  const auto& offsets = linux_config.time_offsets;
  if (!offsets || (!offsets->monotonic && !offsets->boottime)) return;
  if (!checker.has_namespace(CLONE_NEWTIME))
    checker.problem("/linux/timeOffsets", "needs a time namespace in /linux/namespaces");
  for (const oci::Namespace& ns : linux_config.namespaces)
    if (ns.type == CLONE_NEWTIME && !ns.path.empty())
      checker.problem("/linux/timeOffsets", "is for a new time namespace only, not for the one at {}", quoted(ns.path));
}

static void check_devices(Checker& checker) {
  const auto& devices = checker.spec.linux_.devices;
  for (size_t i = 0; i < devices.size(); ++i) {
    const oci::Device& device = devices[i];
    std::string pointer = at("/linux/devices", i);
    checker.absolute_path(pointer + "/path", device.path);
    if (!device.path.empty() && Checker::is_root(device.path))
      checker.problem(pointer + "/path", "must be below the root: found {}", quoted(device.path));
    if (device.type == 'p' || device.type == 0) continue;
    // The kernel's dev_t has 12 bits for the major number and 20 for the minor one.
    const struct {
      const char* name;
      const std::optional<int64_t>& number;
      int64_t most;
    } numbers[] = {{"/major", device.major, (1 << 12) - 1}, {"/minor", device.minor, (1 << 20) - 1}};
    for (const auto& [name, number, most] : numbers) {
      if (!number)
        checker.problem(pointer + name, "is required for a device of type {} but missing", device.type);
      else if (*number < 0 || *number > most)
        checker.problem(pointer + name, "must be an integer from 0 to {}: found {}", most, *number);
    }
  }
}

// A contradictory second name would be silently lost.
static void check_name(Checker& checker, const std::string& pointer, const std::string& value, std::string_view field,
                       const std::string& given) {
  if (!given.empty() && given != value)
    checker.problem(pointer, "must be the same as /{} ({}) or absent: found {}", field, quoted(given), quoted(value));
}

static void check_sysctl(Checker& checker) {
  for (const auto& [key, value] : checker.spec.linux_.sysctl) {
    std::string pointer = "/linux/sysctl/" + pointer_token(key);
    if (value.find('\n') != std::string::npos) checker.problem(pointer, "must be one line: found {}", quoted(value));
    auto path = sysctl_path(key);
    if (!path) {
      checker.problem(pointer, "must be a kernel parameter such as net.ipv4.ip_forward: found {}", quoted(key));
      continue;
    }
    if (*path == "kernel/hostname") check_name(checker, pointer, value, "hostname", checker.spec.hostname);
    if (*path == "kernel/domainname") check_name(checker, pointer, value, "domainname", checker.spec.domainname);
    uint32_t type = sysctl_namespace(*path);
    if (type == 0)
      checker.problem(pointer, "must be a parameter of a namespace: this one belongs to the whole host");
    else if (!checker.has_namespace(type))
      checker.problem(pointer, "needs a namespace of type {} in /linux/namespaces: the host's own value would change",
                      oci::namespace_name(type));
  }
}

static void check_cgroups_path(Checker& checker) {
  const std::string& path = checker.spec.linux_.cgroups_path;
  if (path.empty()) return;
  auto wrong = [&](std::string_view what) {
    checker.problem("/linux/cgroupsPath", "must be a path of cgroup names, {}: found {}", what, quoted(path));
  };
  if (path == "/") return wrong("not the root cgroup");
  if (path.find('\n') != std::string::npos) wrong("without a line feed");
  std::string_view rest = path[0] == '/' ? std::string_view(path).substr(1) : path;
  for (bool last = false; !last;) {
    size_t slash = rest.find('/');
    last = slash == std::string_view::npos;
    std::string_view part = rest.substr(0, slash);
    if (part.empty()) return wrong("none of them empty");
    if (part == "." || part == "..") return wrong("without . and ..");
    if (part.size() > NAME_MAX) return wrong(fmt::format("none longer than {} bytes", NAME_MAX));
    if (!last) rest.remove_prefix(slash + 1);
  }
}

static void check_paths(Checker& checker, const std::string& pointer, const oci::Strings& paths) {
  for (size_t i = 0; i < paths.size(); ++i) {
    checker.absolute_path(at(pointer, i), paths[i]);
    if (!paths[i].empty() && Checker::is_root(paths[i]))
      checker.problem(at(pointer, i), "must be below the root (root.readonly is for all of it): found {}",
                      quoted(paths[i]));
  }
}

void check_linux(Checker& checker) {
  const oci::Linux& linux_config = checker.spec.linux_;
  check_namespaces(checker);
  check_without_mounts(checker);
  check_mappings(checker, "/linux/uidMappings", linux_config.uid_mappings);
  check_mappings(checker, "/linux/gidMappings", linux_config.gid_mappings);
  check_time_offsets(checker);
  check_devices(checker);
  check_sysctl(checker);
  check_cgroups_path(checker);
  check_paths(checker, "/linux/maskedPaths", linux_config.masked_paths);
  check_paths(checker, "/linux/readonlyPaths", linux_config.readonly_paths);
  if (linux_config.personality && !linux_config.personality->flags.empty())
    checker.problem("/linux/personality/flags", "must be empty: the specification defines no flag: found {}",
                    quoted(linux_config.personality->flags[0]));
}

}  // namespace minirun
