// SPDX-License-Identifier: Apache-2.0
// Ids, cgroup paths, destinations and kernel parameters: whatever text comes in, what comes out never leads above the
// place that it belongs to.
#include <sched.h>

#include <algorithm>

#include "runtime/compile/compile.h"
#include "runtime/container/state_directory.h"
#include "runtime/oci/container_path.h"
#include "runtime/oci/sysctl.h"
#include "runtime/oci/validate.h"
#include "tests/fuzz/fuzz.h"

namespace minirun {
namespace {

std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    size_t slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return parts;
}

// A name for one directory.
bool is_component(std::string_view part) {
  return !part.empty() && part.size() <= 255 && part != "." && part != ".." &&
         part.find_first_of(std::string_view("/\0\n", 3)) == std::string_view::npos;
}

void check_container_id(const std::string& id) {
  if (!check_id(id).ok()) return;
  HOLDS(is_component(id) && id[0] != '-' && id[0] != '.', id);
  HOLDS(std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 0x7f; }), id);
}

// As a stack of components.
std::string cleaned(std::string_view path) {
  std::vector<std::string_view> stack;
  for (std::string_view part : components(path)) {
    if (part == ".." && !stack.empty()) stack.pop_back();
    if (!part.empty() && part != "." && part != "..") stack.push_back(part);
  }
  std::string text;
  for (std::string_view part : stack) text.append("/").append(part);
  return text.empty() ? "/" : text;
}

void check_clean_path(const std::string& path) {
  std::string clean = clean_path(path);
  HOLDS(clean == cleaned(path), path + " became " + clean);
  HOLDS(clean_path(clean) == clean, clean);
}

oci::Spec valid_spec() {
  oci::Spec spec;
  spec.oci_version = "1.3.0";
  spec.root = oci::Root{"rootfs", false};
  spec.process = oci::Process{};
  spec.process->cwd = "/";
  spec.process->args = {"/bin/true"};
  for (int type : {CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWCGROUP})
    spec.linux_.namespaces.push_back({static_cast<uint32_t>(type), ""});
  return spec;
}

void check_cgroups_path(const std::string& path) {
  oci::Spec spec = valid_spec();
  spec.linux_.cgroups_path = path;
  if (path.empty() || !validate(spec).problems.empty()) return;
  std::string result = cgroup_path_of(spec, "id");
  HOLDS(result[0] == '/', path);
  for (std::string_view part : components(std::string_view(result).substr(1)))
    HOLDS(part.find('\0') != std::string_view::npos || is_component(part), path + " became " + result);
}

// Nothing but procfs itself is mounted on /proc or below, but for the files that lxcfs covers.
void check_destination(const std::string& destination, const std::string& type) {
  oci::Spec spec = valid_spec();
  oci::Mount mount;
  mount.set_destination(destination);
  mount.type = type;
  mount.source = "/somewhere";
  if (type == "bind") mount.set_options({"bind"});
  spec.mounts.push_back(mount);
  if (!validate(spec).problems.empty()) return;
  std::string target = cleaned(destination);
  HOLDS(target != "/", destination);
  HOLDS(target != "/proc" || type == "proc", destination);
  static constexpr std::string_view kHarmless[] = {"cpuinfo",
                                                   "meminfo",
                                                   "stat",
                                                   "uptime",
                                                   "loadavg",
                                                   "swaps",
                                                   "diskstats",
                                                   "slabinfo",
                                                   "sys/kernel/ns_last_pid",
                                                   "sys/crypto/fips_enabled"};
  bool harmless = std::any_of(std::begin(kHarmless), std::end(kHarmless),
                              [&](auto name) { return target == "/proc/" + std::string(name); });
  HOLDS(!target.starts_with("/proc/") || harmless, destination);
}

void check_sysctl(const std::string& key) {
  auto path = sysctl_path(key);
  if (!path) return;
  HOLDS(!path->empty() && path->front() != '/', key);
  for (std::string_view part : components(*path)) HOLDS(is_component(part), key + " became " + *path);
  if (sysctl_namespace(*path) == 0) return;
  static constexpr std::string_view kPlaces[] = {"net/", "kernel/", "fs/mqueue/", "user/"};
  HOLDS(std::any_of(std::begin(kPlaces), std::end(kPlaces), [&](auto place) { return path->starts_with(place); }), key);
  HOLDS(*path != "kernel/core_pattern" && *path != "kernel/modprobe", key);
}

void check_program(const std::string& program, const std::string& search_path) {
  for (const std::string& candidate : program_candidates(program, search_path))
    HOLDS(program.find('/') == std::string::npos ? candidate.ends_with(program) : candidate == program, candidate);
}

}  // namespace
}  // namespace minirun

FUZZ(input) {
  using namespace minirun;
  uint8_t which = input.byte();
  std::string first(input.part('\n')), second(input.rest());
  check_container_id(first);
  check_clean_path(first);
  check_cgroups_path(first);
  check_sysctl(first);
  check_destination(first, which % 3 == 0 ? "tmpfs" : which % 3 == 1 ? "bind" : "proc");
  if (!first.empty()) check_program(first, second);
}
