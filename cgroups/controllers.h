// SPDX-License-Identifier: Apache-2.0
// Controllers of a cgroup2 tree: reads which exist and passes them down to a cgroup.
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
// enabled yet. Writes once for each controller, so that an error can name the controller, the limit that needs it, the
// cgroup that blocks it, and the reason: bound to cgroup v1 or not in this kernel (ENOTSUP), processes inside (EBUSY),
// a threaded cgroup (EOPNOTSUPP), real-time processes (EINVAL).
Result<void> enable_controllers(int root_fd, const std::string& path, const std::vector<ControllerNeed>& needed);

// Enables everything else that is offered to the cgroup at path, for statistics and limits of children: in the cgroup
// `top` ("": the root of the tree) above it, and in each one between the two. No limit needs these, so a controller
// that the kernel refuses for a lasting reason stays off. Returns those, as "cpu in /a: why".
Result<std::vector<std::string>> enable_offered(int root_fd, const std::string& top, const std::string& path);

}  // namespace minirun
