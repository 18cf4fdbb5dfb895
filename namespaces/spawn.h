// SPDX-License-Identifier: Apache-2.0
// spawn(): from a plan to a process on the child side of clone.
#pragma once

#include <sys/types.h>

#include <utility>
#include <vector>

#include "namespaces/plan_builder.h"
#include "namespaces/plan_memory.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct SpawnRequest {
  const Plan* plan = nullptr;
  std::vector<UniqueFd> sources;      // open_sources(), of turn 0: closed here as soon as the child has its own
  UniqueFd init_program;              // open_init_program()
  int cgroup_fd = -1;                 // the child is born in it (CLONE_INTO_CGROUP, Linux 5.7); -1: in the caller's
  Stamping stamping = Stamping::off;  // PlanMemory::stamps()
};

struct Child {
  pid_t pid = -1;
  UniqueFd pidfd;
  UniqueFd control;  // SOCK_SEQPACKET, Envelope in namespaces/plan.h; hanging up lets a failed child end
  PlanMemory memory;
  // With a plan that has a birth (Birth in namespaces/plan.h): pid and pidfd still belong to the outer process. It ends
  // when its work is done: see arrive().
  bool stands_in = false;
  // A container's process: once born it waits for commit(), see take_place().
  bool waits_for_commit = false;
  // minirun's earlier children: none of them is the outer process's clone.
  std::vector<pid_t> siblings{};
  // The outer process, after its child has taken its place: it sleeps until the child's exec.
  pid_t outer = -1;
  UniqueFd outer_pidfd{};
};

// The process that waits for commit takes the outer process's place. False: it is not born yet.
Result<bool> take_place(Child* child);
// Releases it.
void commit(Child* child);
// Waits up to this long (poll(2)) for the end of the outer process. True: it has ended and was reaped.
bool await_outer(Child* child, int milliseconds);

// The outer process has ended: its clone takes its place, and it is reaped. False: it cloned nothing, and is not
// reaped.
Result<bool> arrive(Child* child);
// A pidfd of its clone, also before it ends; empty while it has cloned nothing.
Result<UniqueFd> pidfd_of_born(const Child& child);

// Starts the init program with the plan. With a new user namespace its id maps are written here (namespaces/id_map.h).
// The child dies with this process (PR_SET_PDEATHSIG) until the plan says otherwise. The caller blocks all signals.
// Errors are those up to clone3(2); messages and the report describe what happens in the child.
Result<Child> spawn(SpawnRequest request);

}  // namespace minirun
