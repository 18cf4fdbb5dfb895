// SPDX-License-Identifier: Apache-2.0
// The plan of a launch, changed so that a trial of it leaves nothing.
#pragma once

#include <string>
#include <vector>

#include "runtime/compile/compile.h"

namespace minirun {

// Why the plan cannot be tried without a trace; "": it can.
std::string obstacle(const oci::Spec& spec, const Compiled& compiled);

// Takes out what changes anything that others use: namespaces that are joined or the host's, filesystems of the host,
// the caller's stdio. Mounts of the host become read-only, so that no mount point is made in them. Lets the process
// wait at Gate::commit before its second step. executes: up to the exec, which else is left out too. untried: gets the
// JSON pointers of what is left out. Returns where mounts are that the container may write to, and the trial may not.
std::vector<std::string> make_harmless(const oci::Spec& spec, bool executes, Plan* plan,
                                       std::vector<std::string>* untried);

// Takes the mount of this JSON pointer out. False: other steps need it, and it is still there.
bool leave_out_mount(const std::string& pointer, Plan* plan);

}  // namespace minirun
