// SPDX-License-Identifier: Apache-2.0
// The end of a container that is not this process's own.
#pragma once

#include "cgroups/cgroup.h"
#include "runtime/container/container.h"

namespace minirun {

// Kills what is left of it, takes away all that was made for it, runs its poststop hooks, and gives its id free. The
// container's lock is held.
Result<void> remove_container(Container& container);

// SIGKILL to the first process, which lives, and to all where its end does not end the others; waits until it has
// ended, for at most kRemovalTime. The error names processes that remain. cgroup: null where none was found.
Result<void> end_processes(const Container& container, const Cgroup* cgroup);

// The last of a container, its state directory. The error says that nothing else is left: on a filesystem that has
// become read-only the directory stays.
Result<void> remove_directory(StateDirectory& state);

// A cgroup with all that is in it.
Result<void> remove_cgroup(Cgroup& cgroup);

}  // namespace minirun
