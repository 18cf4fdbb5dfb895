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

// The processes in the pid namespace of the container's first process, by rising pid, held by their pidfds: each was
// checked to be in it after its pidfd was opened. Excludes nested namespaces. Errors: ENOENT if the first process, that
// of `init_pidfd`, has ended: its number may be reused by then.
Result<std::vector<PidNamespaceMember>> pid_namespace_members(pid_t init, int init_pidfd);

}  // namespace minirun
