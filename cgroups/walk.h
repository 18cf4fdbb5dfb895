// All cgroups of a tree.
#pragma once

#include <functional>
#include <string>

#include "sys/result.h"

namespace minirun {

// Calls visit(path, fd) for the cgroup itself (path ".") and for those below it, nearer ones first; false leaves out
// what is below. fd: O_RDONLY, for the call only. Cgroups that go meanwhile are passed over. Bounded, as a container
// may have made them: E2BIG after 65536.
Result<void> walk_cgroups(int cgroup_fd, const std::function<bool(const std::string& path, int fd)>& visit);

}  // namespace minirun
