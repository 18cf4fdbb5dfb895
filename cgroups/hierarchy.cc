// SPDX-License-Identifier: Apache-2.0
#include "cgroups/hierarchy.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include <cerrno>
#include <charconv>

#include "sys/file.h"

namespace minirun {
namespace {

constexpr char kPure[] = "/sys/fs/cgroup";
constexpr char kHybrid[] = "/sys/fs/cgroup/unified";
constexpr size_t kMountinfoMax = 64 << 20;  // some 300,000 mounts, three times the kernel's limit for one namespace

// The descriptor of the path if a cgroup2 file system is mounted there, else an empty one.
UniqueFd open_cgroup2(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct statfs info {};
  if (!fd || fstatfs(fd.get(), &info) < 0 || info.f_type != CGROUP2_SUPER_MAGIC) return {};
  return fd;
}

// Cuts the text up to the separator off the front of rest.
std::string_view take(std::string_view& rest, char separator) {
  size_t end = rest.find(separator);
  std::string_view token = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return token;
}

bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

// The kernel writes blank, tab, newline and backslash in paths as three octal digits.
std::string decode_octal(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

}  // namespace

std::vector<std::string> cgroup2_mount_points(std::string_view mountinfo) {
  std::vector<std::string> found;
  while (!mountinfo.empty()) {
    std::string_view line = take(mountinfo, '\n');
    size_t separator = line.find(" - ");  // optional fields end here; no path before it can hold a blank
    if (separator == std::string_view::npos) continue;
    std::string_view after = line.substr(separator + 3);
    if (take(after, ' ') != "cgroup2") continue;
    for (int field = 0; field < 3; ++field) take(line, ' ');  // mount id, parent id, device
    std::string_view root = take(line, ' ');
    std::string_view mount_point = take(line, ' ');
    // A bind mount of a subtree would hide the ancestors whose controllers must be enabled.
    if (root == "/" && mount_point.starts_with('/')) found.push_back(decode_octal(mount_point));
  }
  return found;
}

Result<Hierarchy> find_hierarchy() {
  if (UniqueFd root = open_cgroup2(kPure)) return Hierarchy{std::move(root), kPure, false};
  if (UniqueFd root = open_cgroup2(kHybrid)) return Hierarchy{std::move(root), kHybrid, true};
  std::string mountinfo = TRY(read_file(AT_FDCWD, "/proc/self/mountinfo", kMountinfoMax));
  // Tries each: a later mount at the same place can hide one.
  for (const std::string& mount_point : cgroup2_mount_points(mountinfo))
    if (UniqueFd root = open_cgroup2(mount_point)) return Hierarchy{std::move(root), mount_point, true};
  return fail(ENOENT, "no cgroup2 file system is mounted (looked at {}, {} and in /proc/self/mountinfo)", kPure,
              kHybrid);
}

Result<std::string> own_cgroup_path(std::string_view proc_cgroup) {
  while (!proc_cgroup.empty()) {
    std::string_view line = take(proc_cgroup, '\n');
    if (line.starts_with("0::/")) return std::string(line.substr(3));
  }
  return fail(ENOENT, "no cgroup2 line in /proc/self/cgroup");
}

std::vector<ControllerState> parse_proc_cgroups(std::string_view text) {
  std::vector<ControllerState> states;
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    if (line.empty() || line[0] == '#') continue;
    ControllerState state;
    state.name = take(line, '\t');
    std::string_view hierarchy = take(line, '\t');
    std::from_chars(hierarchy.data(), hierarchy.data() + hierarchy.size(), state.hierarchy);
    take(line, '\t');  // number of cgroups
    state.enabled = take(line, '\t') != "0";
    states.push_back(std::move(state));
  }
  return states;
}

std::string why_controller_missing(std::string_view controller, const std::vector<ControllerState>& states) {
  std::string_view v1_name = controller == "io" ? "blkio" : controller;  // the only renamed one
  for (const ControllerState& state : states) {
    if (state.name != v1_name) continue;
    if (state.hierarchy != 0)
      return fmt::format("which is bound to cgroup v1 (hierarchy {}) on this host", state.hierarchy);
    if (!state.enabled) return "which is switched off on this host (cgroup_disable= on the kernel's command line)";
    return "which the cgroup that is mounted as the root does not have";
  }
  return "which this kernel does not have";
}

}  // namespace minirun
