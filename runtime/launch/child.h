// SPDX-License-Identifier: Apache-2.0
// The clone of a process by its plan.
#pragma once

#include "cgroups/cgroup.h"
#include "namespaces/sources.h"
#include "runtime/container/owned_process.h"
#include "runtime/launch/source_turns.h"
#include "runtime/supervise/signals.h"
#include "sys/result.h"

namespace minirun {

struct StartedChild {
  OwnedProcess process;
  SourceTurns turns;  // what it asks for while it places its mounts
};

// Opens the sources, embeds the init and clones. Errors of clone3 that the cgroup explains say so. compiled is
// borrowed, as are the descriptors of host that later turns need. A signal to give up ends what it waits for.
Result<StartedChild> start_child(const Compiled& compiled, HostDescriptors host, int state_fd, const Cgroup& cgroup,
                                 Signals& signals);

}  // namespace minirun
