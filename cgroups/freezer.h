// SPDX-License-Identifier: Apache-2.0
// Stopping all processes of a cgroup, and letting them go on. Documentation/admin-guide/cgroup-v2.rst, "cgroup.freeze"
#pragma once

#include <chrono>
#include <string>

#include "cgroups/cgroup.h"
#include "sys/result.h"

namespace minirun {

// What pause and resume wait at most.
inline constexpr std::chrono::seconds kFreezeTime{10};

// Whether the cgroup at path (relative to dirfd, "." for dirfd itself) was asked to freeze. A frozen cgroup above
// freezes it without that.
Result<bool> is_frozen(int dirfd, const std::string& path);

// Stops all processes in it and below, and waits until they are (cgroup.events). At the deadline it lets them go on
// again: ETIMEDOUT, naming who did not stop. Frozen processes can still be killed.
Result<void> freeze(const Cgroup& cgroup, Cgroup::Deadline deadline);

// The reverse. ETIMEDOUT: it stays frozen, as a cgroup above it is.
Result<void> thaw(const Cgroup& cgroup, Cgroup::Deadline deadline);

}  // namespace minirun
