// SPDX-License-Identifier: Apache-2.0
// Signals to every process in a cgroup.
#pragma once

#include <sys/types.h>

#include <cstddef>

#include "sys/result.h"

namespace minirun {

// Sends the signal (0: only checks) once to each process in the cgroup and below it, except `spared` (0: none).
// Processes that appear meanwhile get it too. Each process is held by a pidfd while it is checked to be inside, so a
// recycled pid is never signalled. Returns the number of processes.
Result<size_t> signal_processes(int cgroup_fd, int signal, pid_t spared);

}  // namespace minirun
