// SPDX-License-Identifier: Apache-2.0
// What compile() needs to know about this host: plain values, so that a test can make up any host.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

struct HostFacts {
  // Linux 7.0: a mount namespace can be made from the rootfs alone (OPEN_TREE_NAMESPACE), nothing of the host is
  // copied.
  bool open_tree_namespace = false;
  // Linux 5.15: a placed mount can become the peer of another (MOVE_MOUNT_SET_GROUP). Only host_for() probes it.
  bool rejoins_peers = false;
  // "/" is the initramfs, which has no parent mount, so pivot_root(2) fails with EINVAL.
  bool root_needs_move = false;
  // Where a procfs and a sysfs are mounted, if the host's tree stays beneath the container's root. Only host_for()
  // probes it.
  std::vector<std::string> kernel_views{};
  // SELinux is enabled: labels of linux.mountLabel mean something.
  bool selinux = false;
  // Capabilities that a container may be given (capability bits).
  uint64_t capabilities = 0;
  // RLIMIT_NOFILE of minirun: the soft and the hard limit.
  uint64_t open_files = ~uint64_t{0}, most_open_files = ~uint64_t{0};
  // minirun does not run as root.
  bool ordinary_user = false;
  // minirun runs in a user namespace that is not the host's: it can neither make nor filter devices.
  bool in_user_namespace = false;
  bool setgroups_denied = false;  // in it (user_namespaces(7))
};

// Whether this process is in another user namespace than the host's. Errors: transient ones alone
// (sys/transient_error.h).
Result<bool> is_in_user_namespace();

// Takes a few system calls; reads a file only if "/" is in memory, and then only its beginning. Errors as above.
Result<HostFacts> probe_host();

// The same for a container, with the facts that only some need.
Result<HostFacts> host_for(const oci::Spec& spec, bool no_pivot);

// Whether the root of a mountinfo file (proc_pid_mountinfo(5)) is the kernel's own first mount, of type "rootfs".
bool root_is_rootfs(std::string_view mountinfo);

// The mount points of each complete, uncovered procfs and sysfs in a mountinfo. The kernel lets a user namespace mount
// a new one only while an existing one is fully visible (mount_too_revealing() in fs/namespace.c).
std::vector<std::string> kernel_views(std::string_view mountinfo);
Result<std::vector<std::string>> kernel_views_of_host();

}  // namespace minirun
