// SPDX-License-Identifier: Apache-2.0
// Whether each mount can be made and placed, from the files as they are: nothing is mounted.
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "runtime/check/parts.h"
#include "runtime/compile/host_facts.h"
#include "runtime/oci/mount_options.h"
#include "runtime/oci/spec_facts.h"
#include "runtime/oci/sysctl.h"
#include "runtime/text/json.h"
#include "sys/file.h"
#include "sys/image_path.h"
#include "sys/kernel_abi.h"
#include "sys/mountinfo.h"

namespace minirun {

bool is_over(const std::string& destination, const std::string& path) {
  return path.starts_with(destination) && (path.size() == destination.size() || path[destination.size()] == '/');
}

std::optional<bool> has_filesystem(const std::string& type) {
  auto known = read_file(AT_FDCWD, "/proc/filesystems");
  if (!known.ok()) return std::nullopt;
  return ("\n" + *known).find("\t" + type + "\n") != std::string::npos;
}

bool loads_modules() {
  return access("/proc/modules", F_OK) == 0;
}

std::string directory_of(const std::string& path) {
  return path.substr(0, std::max<size_t>(path.rfind('/'), 1));
}

namespace {

class MountChecker {
 public:
  MountChecker(const CheckedBundle& bundle, CheckReport* report)
      : spec_(bundle.spec), bundle_(bundle), report_(report), root_(bundle.prepared.bundle.rootfs.get()) {}

  void check() {
    const size_t before = report_->lines.size();
    for (size_t i = 0; i < spec_.mounts.size(); ++i) check_mount(i);
    check_slots();
    if (report_->lines.size() == before && !spec_.mounts.empty())
      report_->yes("mounts", fmt::format("all {} can be made", spec_.mounts.size()));
  }

 private:
  void unknown(size_t i, std::string message) { report_->unknown("mounts", at(i), std::move(message)); }
  static std::string at(size_t i) { return fmt::format("/mounts/{}", i); }

  void check_mount(size_t i) {
    const oci::Mount& mount = spec_.mounts[i];
    const MountOptions& options = mount.parsed;
    if (options.remount) return unknown(i, "whether the kernel takes the remount");
    if (options.id_map != MountOptions::IdMap::none || !mount.uid_mappings.empty())
      return unknown(i, "whether this filesystem has mounts with mapped ids");
    if (options.copy_symlink || options.source_nofollow || options.target_nofollow)
      return unknown(i, "where its links lead");
    std::optional<bool> file;  // what is mounted is no directory
    if (options.bind) {
      struct stat info {};
      const std::string source =
          mount.source.starts_with('/') ? mount.source : bundle_.prepared.bundle.path + "/" + mount.source;
      if (stat(source.c_str(), &info) < 0) return;  // check_slots() says so
      file = !S_ISDIR(info.st_mode);
    } else {
      file = false;
      if (!check_type(i, mount, options)) return;
    }
    check_destination(i, *file, options.bind);
  }

  bool check_type(size_t i, const oci::Mount& mount, const MountOptions& options) {
    const std::string& type = mount.type;
    static constexpr std::string_view kOrdinary[] = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"};
    if (std::find(std::begin(kOrdinary), std::end(kOrdinary), type) == std::end(kOrdinary))
      return check_other_type(i, type);
    if (!has_plain_parameters(options, type)) return unknown(i, "whether the filesystem takes these options"), false;
    if (!bundle_.user_namespace) return true;
    if (type == "proc" && !shows_all("proc"))
      return unknown(i, "whether this host's own procfs shows enough for another"), false;
    if (type == "sysfs" && (!oci::makes_namespace(spec_, CLONE_NEWNET) || !shows_all("sysfs")))
      return unknown(i, "sysfs needs a new network namespace, and one of the host's that nothing covers"), false;
    if (type == "mqueue" && !oci::makes_namespace(spec_, CLONE_NEWIPC))
      return unknown(i, "mqueue needs a new ipc namespace"), false;
    return true;
  }

  bool check_other_type(size_t i, const std::string& type) {
    if (has_filesystem(type).value_or(true) || loads_modules()) {
      unknown(i, fmt::format("whether the kernel can mount {}", type));
    } else {
      report_->no("mounts", at(i), fmt::format("this kernel has no filesystem {}, and loads no modules", type),
                  "/proc/filesystems lists those that it has");
    }
    return false;
  }

  bool is_mapped(uint64_t gid) const { return !bundle_.user_namespace || oci::maps_id(spec_.linux_.gid_mappings, gid); }

  // Those that the kernel takes with any number.
  bool has_plain_parameters(const MountOptions& options, std::string_view type) const {
    if (options.copy_up || !options.superblock.empty()) return false;
    return std::all_of(options.parameters.begin(), options.parameters.end(), [&](const auto& parameter) {
      const std::string& value = parameter.second;
      if (value.empty()) return type == "devpts" && parameter.first == "newinstance";
      const bool digits =
          value.size() > 1 && value.size() < 10 && value.find_first_not_of("0123456789", 1) == std::string::npos;
      const bool size =
          digits || (value.size() > 2 && value.size() < 10 && strchr("kmg", value.back()) != nullptr &&
                     value.substr(1, value.size() - 2).find_first_not_of("0123456789") == std::string::npos);
      const bool octal = digits && value.size() <= 5 && value.find_first_of("89") == std::string::npos;
      if (parameter.first == "mode" || parameter.first == "ptmxmode") return octal;
      if (parameter.first == "size" && type == "tmpfs") return size;
      return parameter.first == "gid" && type == "devpts" && digits &&
             is_mapped(strtoul(value.c_str() + 1, nullptr, 10));
    });
  }

  // The kernel's own mount points, which are always empty (sysfs_create_mount_point()), hide nothing.
  static bool is_on_empty_directory(std::string_view path) {
    static constexpr std::string_view kEmpty[] = {
        "/sys/fs/cgroup",      "/sys/fs/bpf",        "/sys/fs/pstore",       "/sys/kernel/debug",
        "/sys/kernel/tracing", "/sys/kernel/config", "/sys/kernel/security", "/proc/sys/fs/binfmt_misc"};
    return std::find(std::begin(kEmpty), std::end(kEmpty), path) != std::end(kEmpty);
  }

  // Whether a mount of the type, uncovered as a whole, is among the host's (mount_too_revealing() in fs/namespace.c).
  static bool shows_all(std::string_view type) {
    auto text = read_file(AT_FDCWD, "/proc/self/mountinfo", kMostMountinfoBytes);
    if (!text.ok()) return false;
    auto lines = parse_mountinfo(*text);
    return std::any_of(lines.begin(), lines.end(), [&](const MountLine& mount) {
      if (mount.type != type || mount.root != "/") return false;
      return std::none_of(lines.begin(), lines.end(), [&](const MountLine& other) {
        return other.parent == mount.id && !is_on_empty_directory(other.mount_point);
      });
    });
  }

  // The last earlier mount at or above the destination.
  std::optional<size_t> mount_below(size_t i, const std::string& destination) const {
    for (size_t j = i; j-- > 0;)
      if (is_over(spec_.mounts[j].target, destination)) return j;
    return std::nullopt;
  }

  void check_destination(size_t i, bool file, bool bind) {
    const std::string& destination = spec_.mounts[i].target;
    if (auto below = mount_below(i, destination)) return check_on_mount(i, *below, destination);
    UniqueFd fd = open_in_image(root_, destination.c_str(), O_PATH);
    struct stat info {};
    if (fd && fstat(fd.get(), &info) == 0) {
      const bool directory = S_ISDIR(info.st_mode);
      if (directory != file) return;
      return report_->no(
          "mounts", at(i),
          fmt::format("{} is {} in the rootfs, and {} cannot be mounted on it", destination,
                      directory ? "a directory" : "a file", bind ? (file ? "a file" : "a directory") : "a filesystem"));
    }
    if (errno != ENOENT) return unknown(i, fmt::format("{}: {}", destination, std::strerror(errno)));
    if (!can_make(destination)) unknown(i, fmt::format("whether {} can be made in the rootfs", destination));
  }

  void check_on_mount(size_t i, size_t below, const std::string& destination) {
    const oci::Mount& under = spec_.mounts[below];
    const MountOptions& options = under.parsed;
    const bool readonly = ((options.own.set | options.below.set) & abi::kMountAttrReadonly) != 0;
    if (under.type == "tmpfs" && !options.bind && !readonly && under.target != destination) return;
    if (under.type == "sysfs" && !options.bind && destination == under.target + "/fs/cgroup" &&
        access("/sys/fs/cgroup", F_OK) == 0)
      return;
    unknown(i, fmt::format("whether {} can be placed on /mounts/{}", destination, below));
  }

  // Run makes it where nothing is, with the rights of the container's root.
  bool can_make(const std::string& path) const {
    struct stat info {};
    std::string above = path;
    UniqueFd fd;
    while (!fd && above.size() > 1) {
      above = directory_of(above);
      fd = open_in_image(root_, above.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
      if (!fd && errno != ENOENT) return false;
    }
    if (!fd || fstat(fd.get(), &info) < 0) return false;
    auto name = name_of_descriptor(fd.get());
    auto root = name_of_descriptor(root_);
    if (!name.ok() || !root.ok() || *name != (above == "/" ? *root : *root + above)) return false;  // behind a link
    if (bundle_.new_user && (info.st_mode & 0002) == 0) return false;
    return faccessat(fd.get(), ".", W_OK, AT_EACCESS) == 0;
  }

  // The host's side of bind mounts, which run opens before it makes the container.
  void check_slots() {
    for (const Source& slot : bundle_.prepared.compiled.plan.slots) {
      struct stat info {};
      if (slot.kind == SourceKind::filesystem || slot.kind == SourceKind::device) {
        const bool device = stat(slot.path.c_str(), &info) == 0 && (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) &&
                            info.st_rdev == slot.detail;
        if (slot.kind == SourceKind::device && !device)
          report_->unknown("devices", slot.origin, fmt::format("whether {} is that device", slot.path));
        continue;
      }
      if (slot.kind != SourceKind::tree) continue;
      if (fstatat(AT_FDCWD, slot.path.c_str(), &info, slot.no_follow ? AT_SYMLINK_NOFOLLOW : 0) == 0) continue;
      const std::string message = fmt::format("{}: {}", slot.path, std::strerror(errno));
      if (slot.turn == 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ELOOP))
        report_->no("mounts", slot.origin, message, "minirun makes no missing source");
      else
        report_->unknown("mounts", slot.origin, message);
    }
  }

  const oci::Spec& spec_;
  const CheckedBundle& bundle_;
  CheckReport* report_;
  int root_;
};

struct SysctlQuestion {
  int namespaces;
  std::string path;
};

// 1: missing; 2: not writable here; 0: there.
int find_sysctl(const void* question) {
  const auto& asked = *static_cast<const SysctlQuestion*>(question);
  if (asked.namespaces != 0 && unshare(asked.namespaces) < 0) return 3;
  const std::string path = "/proc/sys/" + asked.path;
  if (access(path.c_str(), F_OK) < 0) return errno == ENOENT ? 1 : 3;
  return access(path.c_str(), W_OK) == 0 ? 0 : 2;
}

}  // namespace

void check_mount_list(const CheckedBundle& bundle, CheckReport* report) {
  MountChecker(bundle, report).check();
}

void check_sysctls(const CheckedBundle& bundle, CheckReport* report) {
  int namespaces = 0;
  for (int type : {CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS})
    if (oci::makes_namespace(bundle.spec, static_cast<uint64_t>(type))) namespaces |= type;
  for (const auto& [key, value] : bundle.spec.linux_.sysctl) {
    const std::string pointer = "/linux/sysctl/" + pointer_token(key);
    auto path = sysctl_path(key);
    const SysctlQuestion question{namespaces, path.value_or("")};
    const int answer = in_child(find_sysctl, &question);
    const bool of_device =
        question.path.find("/conf/") != std::string::npos || question.path.find("/neigh/") != std::string::npos;
    if (answer == 1 && !of_device && bundle.spec.linux_.net_devices.empty()) {
      report->no("sysctl", pointer, fmt::format("this kernel has no /proc/sys/{}", question.path));
      continue;
    }
    auto now = read_file(AT_FDCWD, "/proc/sys/" + question.path);
    const bool same = now.ok() && (*now == value + "\n");
    if (answer != 0 || !same)
      report->unknown("sysctl", pointer, fmt::format("whether the kernel takes {}", quoted(value)));
  }
}

}  // namespace minirun
