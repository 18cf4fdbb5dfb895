// SPDX-License-Identifier: Apache-2.0
// The facts about a container that a process needs to join it.
#pragma once

#include <sys/types.h>

#include "runtime/compile/compile.h"
#include "sys/result.h"

namespace minirun {

// Reads them from the container's first process. A pidfd does not keep the number from being reused once the process is
// reaped, so the pidfd is checked last: everything read by the number before that was about this process. Error:
// ErrorKind::state, "container not running", if it has ended.
Result<ExecFacts> exec_facts(pid_t pid, int pidfd, const oci::Spec& spec);

// The host as a process sees it that has joined the container.
Result<HostFacts> host_of_joined(const ExecFacts& facts);

}  // namespace minirun
