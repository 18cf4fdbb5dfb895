// SPDX-License-Identifier: Apache-2.0
// The path of a container's cgroup, which depends on the user that runs minirun.
#pragma once

#include <string>

#include "cgroups/hierarchy.h"
#include "runtime/compile/compile.h"
#include "runtime/oci/spec.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// Compiled::cgroup_path for root, and for any user if the config has /linux/cgroupsPath. Otherwise an ordinary user
// gets "minirun-ID" in the cgroup above minirun's own, which can pass controllers on, or else in minirun's own,
// wherever the directory and cgroup.procs are writable. If neither is: "", no cgroup at all, as with runc. That is an
// error for a container with limits, and for one without its own pid namespace, whose processes could not be found
// again.
Result<std::string> place_cgroup(const Hierarchy& hierarchy, const oci::Spec& spec, const Compiled& compiled);

// For a container without a cgroup (--cgroup-manager=disabled): "", or the same errors.
Result<std::string> place_nowhere(const Compiled& compiled);

// The cgroup of this process, and so of a container without its own: a mount of type cgroup shows it there. EXDEV: it
// is not below the root of this cgroup namespace.
Result<UniqueFd> open_own_cgroup(const Hierarchy& hierarchy);

// place_cgroup() for an ordinary user with this content of /proc/self/cgroup, for tests.
Result<std::string> place_cgroup_of_user(const Hierarchy& hierarchy, const Compiled& compiled,
                                         const std::string& proc_cgroup);

}  // namespace minirun
