#include "runtime/host.h"

#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/capabilities.h"
#include "sys/kernel_abi.h"

namespace minirun {

// The flags are looked at before the descriptor: a kernel that knows the flag stumbles over the descriptor only.
static bool knows_open_tree_namespace() {
  return syscall(SYS_open_tree, -1, "", abi::kOpenTreeNamespace | abi::kAtEmptyPath) < 0 && errno == EBADF;
}

static bool is_initramfs_root() {
  struct statfs facts {};
  if (statfs("/", &facts) < 0) return false;
  return facts.f_type == RAMFS_MAGIC || facts.f_type == TMPFS_MAGIC;
}

HostFacts probe_host() {
  HostFacts facts;
  facts.open_tree_namespace = knows_open_tree_namespace();
  facts.root_needs_move = is_initramfs_root();
  facts.capabilities = grantable_capabilities();
  return facts;
}

}  // namespace minirun
