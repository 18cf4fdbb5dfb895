// SPDX-License-Identifier: Apache-2.0
// Controllers of a cgroup2 tree: reading which are there and passing them down to a cgroup.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cgroups/limits.h"
#include "sys/result.h"

namespace minirun {

// Whether a list like that in cgroup.controllers ("cpu io memory\n") has the word.
bool lists_controller(std::string_view list, std::string_view controller);

// Makes the needed controllers available in the cgroup at path ("/a/b", without ".." and the like, relative to the
// directory root_fd): enables them in cgroup.subtree_control of the root and of each ancestor, where they are not
// enabled yet. One write for each controller, so that an error names the right one; it holds the limit that needs the
// controller, the cgroup that stands in the way, and the reason: bound to cgroup v1 or not in this kernel (ENOTSUP),
// processes inside (EBUSY), a threaded cgroup (EOPNOTSUPP), real-time processes (EINVAL).
Result<void> enable_controllers(int root_fd, const std::string& path, const std::vector<ControllerNeed>& needed);

// Enables all else that is offered to the cgroup at path, so that it has statistics and children can be limited: in the
// cgroup `top` ("": the root of the tree), which is above it, and in each one between the two. What no limit needs is
// no reason to fail: a controller that the kernel refuses for a lasting reason stays off. Returns these, as "cpu in /a:
// why".
Result<std::vector<std::string>> enable_offered(int root_fd, const std::string& top, const std::string& path);

}  // namespace minirun
