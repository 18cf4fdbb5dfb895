// What compile() has to know about this host: plain values, so that a test can make up any host.
#pragma once

#include <cstdint>

namespace minirun {

struct HostFacts {
  // Linux 7.0: a mount namespace can be made from the rootfs alone (OPEN_TREE_NAMESPACE), nothing of the host is copied.
  bool open_tree_namespace = false;
  // "/" is the initramfs: it has no parent to be moved to, pivot_root(2) answers EINVAL.
  bool root_needs_move = false;
  // Capabilities that a container may be given (capability bits).
  uint64_t capabilities = 0;
};

// Takes a few system calls and reads no file. A tmpfs on "/" counts as an initramfs: moving works for both.
HostFacts probe_host();

}  // namespace minirun
