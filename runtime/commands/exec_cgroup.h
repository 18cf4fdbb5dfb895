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

// A new cgroup below the container's for one exec and all that it starts (--tree). An error if the container has no
// cgroup, or if its processes may leave one: then killing it would not end them all.
Result<Cgroup> make_exec_tree(const ContainerRecord& record, const oci::Spec& spec);

// For --ignore-paused: waits until the container is thawed; false if it ends. A process born frozen would block minirun
// in clone3(2), where it cannot react to signals.
Result<bool> await_thaw(const Container& container, Signals& signals);

}  // namespace minirun
