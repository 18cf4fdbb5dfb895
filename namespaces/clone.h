// SPDX-License-Identifier: Apache-2.0
// The ways of a process's birth, as the parent sees them: BirthWay in namespaces/plan.h.
#pragma once

#include "namespaces/spawn.h"

namespace minirun {

// Everything the child needs between clone and exec. Without a new user namespace it runs in this process's memory
// while this process is suspended; it may only make system calls and must not return.
struct ChildStart {
  const int* keep;  // descriptors that stay open over the exec of the init program
  size_t keep_count;
  int program;
  const char* const* argv;
  Report* report;
  int control;
  int parents_control;  // the other end
  bool waits_for_maps;  // and becomes root of the new user namespace
};

struct Born {
  pid_t pid = -1;
  UniqueFd pidfd;
};

// Clones into the plan's new namespaces, or outside all of them if the plan has a birth step. cgroup: -1: none.
Result<Born> clone_child(const Plan& plan, int cgroup, ChildStart* start);

// Kills and reaps the child. If it does not end, or its tracer keeps it, the process that adopts it must reap it.
void end_child(pid_t pid);

}  // namespace minirun
