// SPDX-License-Identifier: Apache-2.0
// The cgroup of the process of `exec`, and whether it can take one.
#pragma once

#include <string>
#include <vector>

#include "cgroups/cgroup.h"
#include "runtime/container/container.h"
#include "runtime/oci/spec.h"
#include "runtime/supervise/signals.h"
#include "sys/result.h"

namespace minirun {

// The container's cgroup, or one below it. options: the values of --cgroup.
Result<Cgroup> exec_cgroup(const ContainerRecord& record, const std::vector<std::string>& options);

// A new cgroup below the container's for one exec and all that it starts (--tree). An error where the container has no
// cgroup, or where its processes may leave one: then killing it would not end them all.
Result<Cgroup> make_exec_tree(const ContainerRecord& record, const oci::Spec& spec);

// --ignore-paused: until the container goes on; false when it ends. A process that is born frozen would hold minirun in
// clone3(2), where no signal is heard.
Result<bool> await_thaw(const Container& container, Signals& signals);

}  // namespace minirun
