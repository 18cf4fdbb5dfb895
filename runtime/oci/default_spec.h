// SPDX-License-Identifier: Apache-2.0
// The config.json that `minirun spec` writes.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace minirun {

// Who runs a rootless container: root inside, this user outside.
struct RootlessOwner {
  uid_t uid = 0;
  gid_t gid = 0;
};

// A shell in rootfs/, as `runc spec` has it. Rootless: in a user namespace with the owner mapped to root, and without
// what an ordinary user cannot have: a network of its own, a new sysfs, groups of /dev/pts, limits.
std::string default_spec(const std::optional<RootlessOwner>& rootless);

}  // namespace minirun
