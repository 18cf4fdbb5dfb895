// SPDX-License-Identifier: Apache-2.0
// What compile() has to know about this host: plain values, so that a test can make up any host.
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
  // Linux 5.15: a mount can be made the peer of another one when it is placed already (MOVE_MOUNT_SET_GROUP). Probed by
  // host_for() alone.
  bool rejoins_peers = false;
  // "/" is the initramfs: it has no parent to be moved to, pivot_root(2) answers EINVAL.
  bool root_needs_move = false;
  // Where a procfs and a sysfs are mounted, when the host's tree is to stay beneath the container's root. By host_for()
  // too.
  std::vector<std::string> kernel_views{};
  // SELinux is enabled: labels of linux.mountLabel mean something.
  bool selinux = false;
  // Capabilities that a container may be given (capability bits).
  uint64_t capabilities = 0;
  // RLIMIT_NOFILE of minirun: the soft and the hard limit.
  uint64_t open_files = ~uint64_t{0}, most_open_files = ~uint64_t{0};
  // minirun does not run as root.
  bool ordinary_user = false;
  // minirun runs in a user namespace that is not the host's: no devices can be made, no devices filtered.
  bool in_user_namespace = false;
  bool setgroups_denied = false;  // in it (user_namespaces(7))
};

// Whether this process is in another user namespace than the host's. Errors: transient ones alone
// (sys/transient_error.h).
Result<bool> is_in_user_namespace();

// Takes a few system calls; a file is read only where "/" is in memory, and then only its beginning. Errors as above.
Result<HostFacts> probe_host();

// The same for a container: also what only some have to know.
Result<HostFacts> host_for(const oci::Spec& spec, bool no_pivot);

// Whether the root of a mountinfo file (proc_pid_mountinfo(5)) is the kernel's own first mount, of type "rootfs".
bool root_is_rootfs(std::string_view mountinfo);

// The mount points of each whole procfs and sysfs of a mountinfo that is not covered. The kernel lets a user namespace
// mount one anew only while one is there with nothing of it hidden (mount_too_revealing() in fs/namespace.c).
std::vector<std::string> kernel_views(std::string_view mountinfo);
Result<std::vector<std::string>> kernel_views_of_host();

}  // namespace minirun
