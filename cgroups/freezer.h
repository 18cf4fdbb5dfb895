// SPDX-License-Identifier: Apache-2.0
// Freezes and thaws all processes of a cgroup. Documentation/admin-guide/cgroup-v2.rst, "cgroup.freeze"
#pragma once

#include <chrono>
#include <string>

#include "cgroups/cgroup.h"
#include "sys/result.h"

namespace minirun {

// The longest wait of pause and resume.
inline constexpr std::chrono::seconds kFreezeTime{10};

// Whether the cgroup at path (relative to dirfd, "." for dirfd itself) was asked to freeze. A frozen cgroup above also
// freezes it.
Result<bool> is_frozen(int dirfd, const std::string& path);

// Freezes all processes in it and below, and waits until they are frozen (cgroup.events). At the deadline it thaws them
// again: ETIMEDOUT, naming those that did not freeze. Frozen processes can still be killed.
Result<void> freeze(const Cgroup& cgroup, Cgroup::Deadline deadline);

// The reverse. ETIMEDOUT: it stays frozen because a cgroup above it is.
Result<void> thaw(const Cgroup& cgroup, Cgroup::Deadline deadline);

}  // namespace minirun
