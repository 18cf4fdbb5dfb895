// SPDX-License-Identifier: Apache-2.0
// Where the cgroup of a container is to be, where that depends on who runs minirun.
#pragma once

#include <string>

#include "cgroups/hierarchy.h"
#include "runtime/compile/compile.h"
#include "runtime/oci/spec.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// Compiled::cgroup_path for root, and for any user who names a cgroup in /linux/cgroupsPath. An ordinary user who names
// none gets "minirun-ID" in the cgroup above minirun's own, where others can be given controllers, else in minirun's
// own: wherever directory and cgroup.procs may be written. Where neither may: "", no cgroup at all, as with runc. That
// is an error for a container with limits, and for one without a pid namespace of its own, whose processes could not be
// found again.
Result<std::string> place_cgroup(const Hierarchy& hierarchy, const oci::Spec& spec, const Compiled& compiled);

// For a container that is to have none (--cgroup-manager=disabled): "", or the same errors.
Result<std::string> place_nowhere(const Compiled& compiled);

// The cgroup that this process is in, and so a container without one of its own: what a mount of type cgroup shows
// there. EXDEV: it is not below the root of this cgroup namespace.
Result<UniqueFd> open_own_cgroup(const Hierarchy& hierarchy);

// The same as place_cgroup() of the content of /proc/self/cgroup, for tests.
Result<std::string> place_cgroup_of_user(const Hierarchy& hierarchy, const Compiled& compiled,
                                         const std::string& proc_cgroup);

}  // namespace minirun
