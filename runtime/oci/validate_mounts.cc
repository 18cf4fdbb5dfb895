// SPDX-License-Identifier: Apache-2.0
// Rules for /mounts; what options mean is in oci/mount_options.cc.
#include <sched.h>

#include <algorithm>
#include <climits>

#include "runtime/oci/checker.h"
#include "runtime/oci/container_path.h"
#include "runtime/oci/mount_id_maps.h"
#include "runtime/oci/mount_options.h"
#include "runtime/text/json.h"

namespace minirun {

// A mount over /proc or inside it could fake the kernel's answers (CVE-2019-16884), so only procfs itself is allowed
// there, and the files that lxcfs replaces with a container's view of its limits.
static void check_proc_target(Checker& checker, const std::string& pointer, const oci::Mount& mount, bool bind) {
  static constexpr std::string_view kAllowed[] = {"/proc/cpuinfo",
                                                  "/proc/diskstats",
                                                  "/proc/meminfo",
                                                  "/proc/stat",
                                                  "/proc/swaps",
                                                  "/proc/uptime",
                                                  "/proc/loadavg",
                                                  "/proc/slabinfo",
                                                  "/proc/sys/kernel/ns_last_pid",
                                                  "/proc/sys/crypto/fips_enabled"};
  const std::string& target = mount.target;
  if (target != "/proc" && target.compare(0, 6, "/proc/") != 0) return;
  bool procfs = bind ? clean_path(mount.source) == "/proc" : mount.type == "proc";
  bool allowed = std::find(std::begin(kAllowed), std::end(kAllowed), target) != std::end(kAllowed);
  if (allowed || (target == "/proc" && procfs)) return;
  checker.problem(pointer + "/destination",
                  "must not be in /proc, where only procfs itself and few files can be: found {}",
                  quoted(mount.destination));
}

// Filesystems that show kernel data have no owners to map, and the kernel refuses.
static bool has_own_files(const std::string& type) {
  static constexpr std::string_view kNone[] = {"proc",        "sysfs",  "mqueue",  "devpts",     "cgroup",
                                               "cgroup2",     "bpf",    "debugfs", "tracefs",    "configfs",
                                               "binfmt_misc", "pstore", "fusectl", "securityfs", "efivarfs"};
  return std::find(std::begin(kNone), std::end(kNone), type) == std::end(kNone);
}

static void check_id_map(Checker& checker, const std::string& pointer, const oci::Mount& mount,
                         const MountOptions& options) {
  if (mount.uid_mappings.empty() != mount.gid_mappings.empty()) {
    checker.problem(pointer + (mount.uid_mappings.empty() ? "/uidMappings" : "/gidMappings"),
                    "is required when the other one is given");
    return;
  }
  bool own = !mount.uid_mappings.empty();
  if (!own && options.id_map == MountOptions::IdMap::none) return;
  std::string where = pointer + (own ? "/uidMappings" : fmt::format("/options/{}", options.id_map_index));
  if (options.remount || (!options.bind && mount.type.empty()))
    checker.problem(where, "is for a new mount only: ids of an existing one cannot be mapped");
  else if (!options.bind && !has_own_files(mount.type))
    checker.problem(where, "is for bind mounts and filesystems with files: {} cannot be idmapped", mount.type);
  MountIdMapResult result = mount_id_map(checker.spec, mount, options);
  if (!result.problem.empty()) checker.problem(pointer + result.at, "{}", result.problem);
}

// Options for one kind of mount, which have no effect on another.
static void check_special(Checker& checker, const std::string& pointer, const oci::Mount& mount,
                          const MountOptions& options) {
  std::string where = at(pointer + "/options", options.special_index);
  bool new_tmpfs = mount.type == "tmpfs" && !options.bind && !options.remount;
  if (options.copy_up && !new_tmpfs) checker.problem(where, "tmpcopyup is for a new mount of type tmpfs");
  bool special = options.copy_symlink || options.source_nofollow || options.target_nofollow;
  if (special && (!options.bind || options.remount))
    checker.problem(where, "{} is for bind mounts", mount.options[options.special_index]);
  if (options.source_nofollow && options.copy_symlink)
    checker.problem(where, "must not have both src-nofollow and copy-symlink");
}

static void check_mount(Checker& checker, const std::string& pointer, const oci::Mount& mount) {
  const MountOptions& options = mount.parsed;
  // Only changes to an existing mount have no type: remount, or a propagation alone.
  bool changes_existing = options.remount || options.propagation != 0;
  if (mount.destination.empty())
    checker.problem(pointer + "/destination", "must not be empty");
  else if (mount.destination[0] != '/')
    checker.warning(pointer + "/destination", "should be absolute; minirun resolves it from \"/\": found {}",
                    quoted(mount.destination));
  bool makes_one = !options.remount && (options.bind || !mount.type.empty());
  if (makes_one && !mount.destination.empty() && Checker::is_root(mount.destination))
    checker.problem(pointer + "/destination", "must not be the root, which root.path sets: found {}",
                    quoted(mount.destination));
  if (mount.destination.size() >= PATH_MAX)
    checker.problem(pointer + "/destination", "must be shorter than {} bytes: found {}", PATH_MAX,
                    mount.destination.size());
  if (!options.remount && (options.bind || !mount.type.empty()))
    check_proc_target(checker, pointer, mount, options.bind);
  if (options.bind && !options.remount && mount.source.empty())
    checker.problem(pointer + "/source", "is required for a bind mount but missing");
  if (!options.bind && mount.type.empty() && !changes_existing)
    checker.problem(pointer + "/type", "is required unless options has bind or rbind");
  if (!options.bind && mount.type == "bind")
    checker.problem(pointer + "/options", "must have bind or rbind for a bind mount: the type alone does not make one");
  // The kernel would silently ignore it.
  if (options.bind && !options.parameters.empty())
    checker.problem(at(pointer + "/options", options.first_parameter),
                    "must be an option that a bind mount can have: found {}",
                    quoted(mount.options[options.first_parameter]));
  check_id_map(checker, pointer, mount, options);
  check_special(checker, pointer, mount, options);
}

// A filesystem that no entry of the list made belongs to the host, or an image's link leads to it: the container must
// not change its parameters.
static void check_reconfigured(Checker& checker, size_t index) {
  const auto& mounts = checker.spec.mounts;
  const MountOptions& options = mounts[index].parsed;
  const bool makes_none = options.remount || mounts[index].type.empty();
  if (options.bind || !makes_none || (options.parameters.empty() && options.superblock.empty())) return;
  const std::string& target = mounts[index].target;
  for (size_t i = index; i-- > 0;) {
    if (mounts[i].target != target) continue;
    const MountOptions& earlier = mounts[i].parsed;
    if (earlier.remount || (!earlier.bind && mounts[i].type.empty())) continue;
    const bool hosts = mounts[i].type.starts_with("cgroup") && !checker.has_namespace(CLONE_NEWCGROUP);
    if (!earlier.bind && !hosts) return;
    break;
  }
  checker.problem(fmt::format("/mounts/{}/options", index),
                  "needs an earlier entry for the same destination whose filesystem it changes, not a bind mount: "
                  "found none for {}",
                  quoted(mounts[index].destination));
}

void check_mounts(Checker& checker) {
  const auto& mounts = checker.spec.mounts;
  for (size_t i = 0; i < mounts.size(); ++i) {
    check_mount(checker, at("/mounts", i), mounts[i]);
    check_reconfigured(checker, i);
  }
}

}  // namespace minirun
