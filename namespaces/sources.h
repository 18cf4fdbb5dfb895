// SPDX-License-Identifier: Apache-2.0
// What the parent opens before clone: the descriptors behind a plan's slots.
#pragma once

#include <vector>

#include "namespaces/overlay.h"
#include "namespaces/peers.h"
#include "namespaces/plan_builder.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// Descriptors of the caller. All borrowed; -1: absent, and no slot asks for it.
struct HostDescriptors {
  int rootfs = -1;         // the checked rootfs directory
  int cgroup = -1;         // the container's cgroup directory
  std::vector<int> given;  // for SourceKind::given
  std::vector<int> proc{};
  ChangesPlace changes{};                   // for SourceKind::rootfs_overlay
  std::vector<PeerMount>* peers = nullptr;  // collects those that rejoin their peers later
};

// Opens every slot of this turn in order; the others stay empty. Mount trees are detached clones (open_tree(2), Linux
// 5.2): what happens to the host's paths later does not matter to the child. Errors carry the slot's JSON pointer; a
// namespace file of another type is EINVAL.
Result<std::vector<UniqueFd>> open_sources(const Plan& plan, const HostDescriptors& host, uint32_t turn = 0);

// Opens the source of a slot again, without the mounts in it that keep mount namespaces. host.peers: entries of the old
// descriptor are dropped, as the container's side closes it.
Result<UniqueFd> reopen_source(const Plan& plan, const HostDescriptors& host, uint32_t slot);

// Opens the namespace file and checks that it has the type (CLONE_NEW*) and is not minirun's own mount namespace.
Result<UniqueFd> open_namespace(const std::string& path, uint64_t type);

}  // namespace minirun
