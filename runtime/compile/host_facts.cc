#include "runtime/compile/host_facts.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/compile/capabilities.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/kernel_abi.h"
#include "sys/passing_error.h"

namespace minirun {

// The flags are looked at before the descriptor: a kernel that knows the flag stumbles over the descriptor only.
static bool knows_open_tree_namespace() {
  return syscall(SYS_open_tree, -1, "", abi::kOpenTreeNamespace | abi::kAtEmptyPath) < 0 && errno == EBADF;
}

bool root_is_rootfs(std::string_view mountinfo) {
  while (!mountinfo.empty()) {
    std::string_view line = mountinfo.substr(0, mountinfo.find('\n'));
    mountinfo.remove_prefix(std::min(line.size() + 1, mountinfo.size()));
    // "1 1 0:2 / / rw - rootfs rootfs rw": the fifth field is the mount point, the type follows the hyphen.
    std::string_view rest = line;
    for (int field = 0; field < 4; field++) rest.remove_prefix(std::min(rest.find(' '), rest.size() - 1) + 1);
    if (rest.substr(0, 2) != "/ ") continue;
    size_t type = rest.find(" - ");
    if (type != std::string_view::npos && rest.substr(type + 3, 7) == "rootfs ") return true;
  }
  return false;
}

// An initramfs is a ramfs or a tmpfs, but so is the root of many live systems, which is like any other.
static Result<bool> is_initramfs_root() {
  struct statfs facts {};
  if (statfs("/", &facts) < 0) return fail(errno, "statfs /");
  if (facts.f_type != RAMFS_MAGIC && facts.f_type != TMPFS_MAGIC) return false;
  UniqueFd file(open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  char text[4096];  // the root is the first line
  ssize_t n = file ? read(file.get(), text, sizeof text) : -1;
  return n <= 0 || root_is_rootfs(std::string_view(text, static_cast<size_t>(n)));  // moving works for both
}

// As is_selinux_enabled(3): its filesystem is mounted.
static Result<bool> has_selinux() {
  struct statfs facts {};
  if (statfs("/sys/fs/selinux", &facts) == 0) return static_cast<uint32_t>(facts.f_type) == SELINUX_MAGIC;
  return is_passing(errno) ? Result<bool>(fail(errno, "statfs /sys/fs/selinux")) : Result<bool>(false);
}

// The first one maps all ids onto themselves (user_namespaces(7)).
Result<bool> is_in_user_namespace() {
  auto map = read_file(AT_FDCWD, "/proc/self/uid_map");
  if (!map.ok() && is_passing(map.error().code)) return map.error();
  if (!map.ok()) return false;  // a kernel without user namespaces
  std::string text;
  for (char c : *map)
    if (c != ' ' || (!text.empty() && text.back() != ' ')) text += c;
  return text != "0 0 4294967295\n";
}

Result<HostFacts> probe_host() {
  HostFacts facts;
  facts.ordinary_user = geteuid() != 0;
  facts.in_user_namespace = TRY(is_in_user_namespace());
  if (facts.in_user_namespace) {
    auto setgroups = read_file(AT_FDCWD, "/proc/self/setgroups");
    if (!setgroups.ok() && is_passing(setgroups.error().code)) return setgroups.error();
    facts.setgroups_denied = setgroups.ok() && setgroups->starts_with("deny");
  }
  facts.open_tree_namespace = knows_open_tree_namespace();
  facts.root_needs_move = TRY(is_initramfs_root());
  facts.selinux = TRY(has_selinux());
  facts.capabilities = grantable_capabilities();
  return facts;
}

}  // namespace minirun
