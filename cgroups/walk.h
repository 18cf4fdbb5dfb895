// SPDX-License-Identifier: Apache-2.0
// All cgroups of a tree.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "sys/result.h"

namespace minirun {

// How to treat a tree with more cgroups than the limit, which a container may have made.
enum class HugeTree {
  refuse,  // E2BIG
  // Each cgroup divides its budget equally among its children, and an unused rest goes to the next: a huge one is seen
  // in part, all others completely. Skips unreadable ones.
  see_in_part,
};

struct WalkLimits {
  HugeTree huge = HugeTree::refuse;
  size_t most = 65536;
};

// Calls visit(path, fd) for the cgroup itself (path ".") and for those below it, parents first; false skips what is
// below. fd: O_RDONLY, valid during the call. Skips cgroups that disappear meanwhile. Neither depth nor the length of a
// path is limited: two descriptors are open at a time.
Result<void> walk_cgroups(int cgroup_fd, const WalkLimits& limits,
                          const std::function<bool(const std::string& path, int fd)>& visit);

}  // namespace minirun
