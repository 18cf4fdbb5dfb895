// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/host_facts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "namespaces/peers.h"
#include "runtime/compile/capabilities.h"
#include "runtime/oci/mount_options.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/kernel_abi.h"
#include "sys/mountinfo.h"
#include "sys/transient_error.h"

namespace minirun {

// The kernel checks the flags before the descriptor, so a kernel that knows the flag fails only on the descriptor.
static bool knows_open_tree_namespace() {
  return syscall(SYS_open_tree, -1, "", abi::kOpenTreeNamespace | abi::kAtEmptyPath) < 0 && errno == EBADF;
}

bool root_is_rootfs(std::string_view mountinfo) {
  auto lines = parse_mountinfo(mountinfo);
  return std::any_of(lines.begin(), lines.end(),
                     [](const MountLine& mount) { return mount.mount_point == "/" && mount.type == "rootfs"; });
}

std::vector<std::string> kernel_views(std::string_view mountinfo) {
  std::vector<std::string> views;
  auto lines = parse_mountinfo(mountinfo);
  for (const MountLine& mount : lines) {
    if ((mount.type != "proc" && mount.type != "sysfs") || mount.root != "/") continue;
    bool covered = std::any_of(lines.begin(), lines.end(), [&](const MountLine& other) {
      return other.parent == mount.id && other.mount_point == mount.mount_point;
    });
    if (!covered) views.push_back(mount.mount_point);
  }
  return views;
}

Result<std::vector<std::string>> kernel_views_of_host() {
  return kernel_views(TRY(read_file(AT_FDCWD, "/proc/self/mountinfo", kMostMountinfoBytes)));
}

// An initramfs is a ramfs or a tmpfs, but so is the root of many live systems, which can be pivoted.
static Result<bool> is_initramfs_root() {
  struct statfs facts {};
  if (statfs("/", &facts) < 0) return fail(errno, "statfs /");
  if (facts.f_type != RAMFS_MAGIC && facts.f_type != TMPFS_MAGIC) return false;
  UniqueFd file(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  char text[4096];  // the root is the first line
  ssize_t n = file ? read(file.get(), text, sizeof text) : -1;
  return n <= 0 || root_is_rootfs(std::string_view(text, static_cast<size_t>(n)));  // moving works for both
}

// Like is_selinux_enabled(3): whether its filesystem is mounted.
static Result<bool> has_selinux() {
  struct statfs facts {};
  if (statfs("/sys/fs/selinux", &facts) == 0) return static_cast<uint32_t>(facts.f_type) == SELINUX_MAGIC;
  return is_transient(errno) ? Result<bool>(fail(errno, "statfs /sys/fs/selinux")) : Result<bool>(false);
}

// Does not go by the mappings: a namespace that maps all ids onto themselves, such as systemd's PrivateUsers=full
// makes, is still not the host's.
Result<bool> is_in_user_namespace() {
  constexpr ino_t kFirst = 0xEFFFFFFD;  // PROC_USER_INIT_INO in include/linux/proc_ns.h, since Linux 3.8
  struct stat own {};
  if (stat("/proc/self/ns/user", &own) == 0) return own.st_ino != kFirst;
  if (is_transient(errno)) return fail(errno, "stat /proc/self/ns/user");
  return false;  // a kernel without user namespaces
}

Result<HostFacts> probe_host() {
  HostFacts facts;
  facts.ordinary_user = geteuid() != 0;
  facts.in_user_namespace = TRY(is_in_user_namespace());
  if (facts.in_user_namespace) {
    auto setgroups = read_file(AT_FDCWD, "/proc/self/setgroups");
    if (!setgroups.ok() && is_transient(setgroups.error().code)) return setgroups.error();
    facts.setgroups_denied = setgroups.ok() && setgroups->starts_with("deny");
  }
  facts.open_tree_namespace = knows_open_tree_namespace();
  facts.root_needs_move = TRY(is_initramfs_root());
  facts.selinux = TRY(has_selinux());
  facts.capabilities = grantable_capabilities();
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) < 0) return fail(errno, "getrlimit");
  facts.open_files = files.rlim_cur;
  facts.most_open_files = files.rlim_max;
  return facts;
}

static bool shares_a_bind(const oci::Spec& spec) {
  return std::any_of(spec.mounts.begin(), spec.mounts.end(), [](const oci::Mount& mount) {
    const MountOptions& options = mount.parsed;
    return options.bind && (options.propagation & abi::kMsShared) != 0;
  });
}

Result<HostFacts> host_for(const oci::Spec& spec, bool no_pivot) {
  HostFacts facts = TRY(probe_host());
  if (shares_a_bind(spec)) facts.rejoins_peers = TRY(can_rejoin_peers());
  if (no_pivot || facts.root_needs_move) facts.kernel_views = TRY(kernel_views_of_host());
  return facts;
}

}  // namespace minirun
