// SPDX-License-Identifier: Apache-2.0
// Removes a container, found or made here, at any stage of its making.
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
  of_failed,   // the container never ran
};

// Kills what is left of it, removes all that was made for it, runs its poststop hooks, and frees its id. The record
// keeps what cannot be removed, for `delete --force`. The caller holds the container's lock.
Result<void> remove_container(Container& container, Removal removal = Removal::whole);

// The same for a container that this process made, whose lock other commands may have held meanwhile. If one still
// holds it, or has deleted the container, this removes only processes and cgroup.
Result<void> remove_own(Container& container, Removal removal);

// For std::unique_ptr: removes a container, unless it is already removed or detached (Container::detach()).
struct RemoveFailed {
  void operator()(Container* container) const;
};
// A container that this process made.
using OwnedContainer = std::unique_ptr<Container, RemoveFailed>;

// Kills the first process, which lives, and all others if its end does not end them; waits up to kRemovalTime for its
// end. The error names processes that remain. cgroup: null if none was found.
Result<void> end_processes(const Container& container, const Cgroup* cgroup);

// Removes the last of a container, its state directory. The error says that nothing else is left: on a filesystem that
// has become read-only the directory stays.
Result<void> remove_directory(StateDirectory& state);

// Removes a cgroup and everything in it.
Result<void> remove_cgroup(Cgroup& cgroup);

}  // namespace minirun
