// SPDX-License-Identifier: Apache-2.0
// Where a created container waits for start: a socket in its state directory that its init listens on, and a lock that
// its init holds until its exec. The kernel thus knows whether it waits: both close with the init's end or its exec.
#pragma once

#include <string>

#include "namespaces/plan_memory.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct StartSocket {
  UniqueFd listener;
  UniqueFd gate;  // with flock(2) on it
};

// Makes both in the state directory, for the child to inherit.
Result<StartSocket> make_start_socket(int state_fd);

// Whether a process holds the gate; a container without a gate never waits. Costs one open(2) and a flock(2).
Result<bool> waits_for_start(int state_fd);

// The connection to a waiting container, and the memory of its plan.
struct StartConnection {
  UniqueFd control;
  PlanMemory memory;
};

// Errors: no process listens; it does not answer within ten seconds; it waits in a format that this minirun does not
// know: then the error names both versions, and it keeps waiting. made_by: ContainerRecord::made_by.
Result<StartConnection> connect_for_start(int state_fd, const std::string& made_by);

// Whether the start socket still exists. It outlives the wait until start or the container's removal ends.
bool has_start_socket(int state_fd);

// Removes the files, which are useless after the start.
void remove_start_socket(int state_fd);

}  // namespace minirun
