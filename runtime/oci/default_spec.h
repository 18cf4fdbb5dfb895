// SPDX-License-Identifier: Apache-2.0
// The config.json that `minirun spec` writes.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace minirun {

// The user of a rootless container: root inside, this user outside.
struct RootlessOwner {
  uid_t uid = 0;
  gid_t gid = 0;
};

// A shell in rootfs/, as in `runc spec`. Rootless: in a user namespace that maps root to the owner, and without what an
// ordinary user cannot have: a new network namespace, a new sysfs, groups of /dev/pts, limits.
std::string default_spec(const std::optional<RootlessOwner>& rootless);

}  // namespace minirun
