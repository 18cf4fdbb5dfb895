// SPDX-License-Identifier: Apache-2.0
// Peer groups of mounts cloned from the host (mount_namespaces(7), "SHARED SUBTREES"). A clone of a shared mount is its
// peer: a mount on it in the container appears on the host, and outlives the container there.
#pragma once

#include <string>
#include <vector>

#include "namespaces/plan_builder.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// A mount that becomes the host's peer after everything that config.json places below it is mounted.
struct PeerMount {
  std::string path;  // on the host
  UniqueFd mount;    // of the tree that the container gets
  UniqueFd member;   // a clone that is in the peer group
  const Source* source = nullptr;
};

// Takes the mounts of a detached tree out of their peer groups, as the source says. Adds those that rejoin them to
// *later.
Result<void> leave_peers(int tree, const Source& source, std::vector<PeerMount>* later);

// From here on a mount on it appears on the host, and vice versa. Linux 5.15.
Result<void> rejoin_peers(const PeerMount& mount);

// Whether the kernel can do it. Errors: only transient ones (sys/transient_error.h).
Result<bool> can_rejoin_peers();

}  // namespace minirun
