// SPDX-License-Identifier: Apache-2.0
// The processes of a container without a cgroup, which then has a pid namespace of its own
// (runtime/resources/cgroup_path.h).
#pragma once

#include <sys/types.h>

#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct PidNamespaceMember {
  pid_t pid = -1;
  UniqueFd pidfd;
};

// Those that are in the pid namespace of the container's first process, by rising pid, and held by their pidfds: each
// was in it when it was looked at, after its pidfd was opened. Not in it are those of namespaces below it. Errors:
// ENOENT when the first process, which `init_pidfd` is of, has ended: its number may be another's by then.
Result<std::vector<PidNamespaceMember>> pid_namespace_members(pid_t init, int init_pidfd);

}  // namespace minirun
