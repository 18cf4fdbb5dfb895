// SPDX-License-Identifier: Apache-2.0
// All cgroups of a tree.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "sys/result.h"

namespace minirun {

// What becomes of a tree with more cgroups than are looked at: a container may have made them.
enum class HugeTree {
  refuse,  // E2BIG
  // Each cgroup gives those right below it equal shares of what it may use, and what one of them does not use goes to
  // the next: a huge one is seen in part, and all the others are seen as they are. What cannot be read is passed over.
  see_in_part,
};

struct WalkLimits {
  HugeTree huge = HugeTree::refuse;
  size_t most = 65536;
};

// Calls visit(path, fd) for the cgroup itself (path ".") and for those below it, each before those below it; false
// leaves out what is below. fd: O_RDONLY, for the call only. Cgroups that go meanwhile are passed over. Neither depth
// nor the length of a path is limited: two descriptors are open at a time.
Result<void> walk_cgroups(int cgroup_fd, const WalkLimits& limits,
                          const std::function<bool(const std::string& path, int fd)>& visit);

}  // namespace minirun
