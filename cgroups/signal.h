// SPDX-License-Identifier: Apache-2.0
// Signals to everybody in a cgroup.
#pragma once

#include <sys/types.h>

#include <cstddef>

#include "sys/result.h"

namespace minirun {

// Sends the signal (0: only looks) to each process in the cgroup and below it once, but not to `spared` (0: to all).
// Those that come while this goes on get it too. A process is held by a pidfd while it is found to be inside, so that
// a recycled pid is never signalled. Returns how many there were.
Result<size_t> signal_processes(int cgroup_fd, int signal, pid_t spared);

}  // namespace minirun
