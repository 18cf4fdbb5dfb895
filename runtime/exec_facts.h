// What a process that is to join a container has to know of it.
#pragma once

#include <sys/types.h>

#include "runtime/compile.h"
#include "sys/result.h"

namespace minirun {

// pid: the container's first process, held by a pidfd so that the number is its own.
Result<ExecFacts> exec_facts(pid_t pid);

// The host as a process finds it that has joined the container.
Result<HostFacts> host_of_joined(const ExecFacts& facts);

}  // namespace minirun
