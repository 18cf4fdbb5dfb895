// The end of a container that is not this process's own.
#pragma once

#include "runtime/container.h"

namespace minirun {

// Kills what is left of it, takes away all that was made for it, runs its poststop hooks, and gives its id free. The
// container's lock is held.
Result<void> remove_container(Container& container);

// The last of a container, its state directory. The error says that there is no more of it: on a filesystem that has
// become read-only the directory stays.
Result<void> remove_directory(StateDirectory& state);

// A cgroup with all that is in it.
Result<void> remove_cgroup(Cgroup& cgroup);

}  // namespace minirun
