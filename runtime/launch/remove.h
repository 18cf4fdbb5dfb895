// SPDX-License-Identifier: Apache-2.0
// The end of a container: the one removal, of one that was found or made here, and at any stage of its making.
#pragma once

#include <cstdint>
#include <memory>

#include "cgroups/cgroup.h"
#include "runtime/container/container.h"
#include "sys/result.h"

namespace minirun {

enum class Removal : uint8_t {
  whole,
  but_record,  // the record stays, for `wait`; so do its poststop hooks, for `delete`
  of_failed,   // of a container that has not come to run
};

// Kills what is left of it, takes away all that was made for it, runs its poststop hooks, and gives its id free. What
// cannot be taken away stays in the record, for `delete --force`. The container's lock is held.
Result<void> remove_container(Container& container, Removal removal = Removal::whole);

// The same of a container of this process's own making, whose lock other commands may have had meanwhile. Where one has
// it still, or has deleted the container, only processes and cgroup are taken away.
Result<void> remove_own(Container& container, Removal removal);

// For std::unique_ptr: removes a container, unless that is done or it lives on (Container::detach()).
struct RemoveFailed {
  void operator()(Container* container) const;
};
// A container of this process's own making.
using OwnedContainer = std::unique_ptr<Container, RemoveFailed>;

// SIGKILL to the first process, which lives, and to all where its end does not end the others; waits until it has
// ended, for at most kRemovalTime. The error names processes that remain. cgroup: null where none was found.
Result<void> end_processes(const Container& container, const Cgroup* cgroup);

// The last of a container, its state directory. The error says that nothing else is left: on a filesystem that has
// become read-only the directory stays.
Result<void> remove_directory(StateDirectory& state);

// A cgroup with all that is in it.
Result<void> remove_cgroup(Cgroup& cgroup);

}  // namespace minirun
