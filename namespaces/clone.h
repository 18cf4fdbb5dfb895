// SPDX-License-Identifier: Apache-2.0
// The ways of a process's birth, as the parent sees them: BirthWay in namespaces/plan.h.
#pragma once

#include "namespaces/spawn.h"

namespace minirun {

// All that the child needs between clone and exec. Without a new user namespace it runs in this process's memory with
// this process suspended; it may call nothing but the kernel and must not return.
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

// In the plan's new namespaces, or, where the plan has a step for the birth, outside of them all. cgroup: -1: none.
Result<Born> clone_child(const Plan& plan, int cgroup, ChildStart* start);

// SIGKILL, and its end. A process that does not end by it, or is kept by a tracer, is left to the process that adopts
// it.
void end_child(pid_t pid);

}  // namespace minirun
