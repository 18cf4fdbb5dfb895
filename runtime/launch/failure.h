// SPDX-License-Identifier: Apache-2.0
// Explains why a launch failed: the kernel's error, and its cause if minirun can find it.
#pragma once

#include <sys/types.h>

#include "cgroups/cgroup.h"
#include "namespaces/spawn.h"
#include "runtime/oci/spec.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct Compiled;

// The facts about a failed launch.
struct LaunchFacts {
  const Cgroup& cgroup;                   // its limits may be the cause
  const Compiled* compiled = nullptr;     // nullptr: another minirun has compiled its plan
  const oci::Process* process = nullptr;  // nullptr: none is executed
};

// For a process that could not be born in the cgroup; a step's own error needs no such explanation.
Error explain_join(const Error& error, const Cgroup& cgroup);
// The same for spawn(), clone3(2) included.
Error explain_clone(const Error& error, const LaunchFacts& facts);
// For sources that the parent opens for the child.
Error explain_sources(const Error& error, const LaunchFacts& facts);
// For the step that the child has reported. root: the container's, if the process may be gone; -1: found through the
// child.
Error explain_step(const Child& child, const LaunchFacts& facts, int root);
// For a child that ended without a report: the memory limit, or a signal. Reaps it.
Error explain_death(const Child& child, const Cgroup& cgroup);

// The error that the `start` of a waiting container is sure to return. Engines read an error of `create` as the reason
// why a container cannot run, and one of `start` as a failure of the runtime. pid: its first process.
Result<void> foresee_start(pid_t pid, const oci::Process& process);

// The container's root as its process sees it. Empty: the process is gone.
UniqueFd open_container_root(pid_t pid);

}  // namespace minirun
