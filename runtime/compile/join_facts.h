// SPDX-License-Identifier: Apache-2.0
// What a process that is to join a container has to know of it.
#pragma once

#include <sys/types.h>

#include "runtime/compile/compile.h"
#include "sys/result.h"

namespace minirun {

// Of the container's first process. A pidfd does not keep the number from being given out again once the process is
// reaped, so the pidfd is asked last: all that was read by the number until then was that process's. Error:
// ErrorKind::state, "container not running", when it has ended.
Result<ExecFacts> exec_facts(pid_t pid, int pidfd, const oci::Spec& spec);

// The host as a process finds it that has joined the container.
Result<HostFacts> host_of_joined(const ExecFacts& facts);

}  // namespace minirun
