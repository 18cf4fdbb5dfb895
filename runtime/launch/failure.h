// SPDX-License-Identifier: Apache-2.0
// Why a launch failed: the kernel's word, with the cause behind it where minirun can find that.
#pragma once

#include <sys/types.h>

#include "cgroups/cgroup.h"
#include "namespaces/spawn.h"
#include "runtime/oci/spec.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct Compiled;

// What a launch was about.
struct LaunchFacts {
  const Cgroup& cgroup;                   // its limits may be the cause
  const Compiled* compiled = nullptr;     // nullptr: another minirun has compiled its plan
  const oci::Process* process = nullptr;  // nullptr: none is executed
};

// Of a process that was to be born in the cgroup. The error of a step says itself what failed in it.
Error explain_join(const Error& error, const Cgroup& cgroup);
// The same of spawn(), clone3(2) included.
Error explain_clone(const Error& error, const LaunchFacts& facts);
// Of what the parent opens for the child.
Error explain_sources(const Error& error, const LaunchFacts& facts);
// Of the step that the child has reported. root: the container's, for a process that may be gone; -1: it is looked up
// by the child.
Error explain_step(const Child& child, const LaunchFacts& facts, int root);
// Of a child that is gone without a word: the memory limit, or a signal. Reaps it.
Error explain_death(const Child& child, const Cgroup& cgroup);

// The failure that start is sure to end in, of a container that waits for it: engines take what `create` says for the
// reason why a container cannot run, and what `start` says for a failure of the runtime. pid: its first process.
Result<void> foresee_start(pid_t pid, const oci::Process& process);

// The container as its own processes see it, for as long as that one is there. Empty: it is gone.
UniqueFd open_container_root(pid_t pid);

}  // namespace minirun
