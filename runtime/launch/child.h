// SPDX-License-Identifier: Apache-2.0
// Clones a process from its plan.
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
  SourceTurns turns;  // the sources that it asks for while it places its mounts
};

// Opens the sources, embeds the init and clones. If the cgroup is why clone3 failed, the error says so. compiled is
// borrowed, as are the descriptors of host that later turns need. An abort request ends its waits.
Result<StartedChild> start_child(const Compiled& compiled, HostDescriptors host, int state_fd, const Cgroup& cgroup,
                                 Signals& signals);

}  // namespace minirun
