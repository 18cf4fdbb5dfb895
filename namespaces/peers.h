// SPDX-License-Identifier: Apache-2.0
// Peer groups of what is cloned from the host's mounts (mount_namespaces(7), "SHARED SUBTREES"). A clone of a shared
// mount is its peer: what is mounted on it in the container appears on the host, and stays there after the container's
// end.
#pragma once

#include <string>
#include <vector>

#include "namespaces/plan_builder.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// A mount of a source that is to be the host's peer, but only when all that config.json has below it is placed.
struct PeerMount {
  std::string path;  // on the host
  UniqueFd mount;    // of the tree that the container gets
  UniqueFd member;   // a clone that is in the peer group
  const Source* source = nullptr;
};

// Takes the mounts of the tree, still detached, out of their peer groups as the source says. Those that come back to
// them are added to *later.
Result<void> leave_peers(int tree, const Source& source, std::vector<PeerMount>* later);

// From here on what is mounted on it appears on the host, and the other way round. Linux 5.15.
Result<void> rejoin_peers(const PeerMount& mount);

// Whether the kernel can. Errors: those that say nothing of the kernel (sys/transient_error.h).
Result<bool> can_rejoin_peers();

}  // namespace minirun
