// What the parent opens before clone: the descriptors behind a plan's slots.
#pragma once

#include <vector>

#include "namespaces/plan_builder.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// Opens every slot of the plan, in order. rootfs_fd: the checked rootfs directory. cgroup_fd: the container's cgroup
// directory or -1. Mount trees are detached clones (open_tree(2), Linux 5.2): what happens to the host's paths later
// does not matter to the child. Errors carry the slot's JSON pointer; a namespace file of another type is EINVAL.
Result<std::vector<UniqueFd>> open_sources(const Plan& plan, int rootfs_fd, int cgroup_fd);

}  // namespace minirun
