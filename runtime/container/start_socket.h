// SPDX-License-Identifier: Apache-2.0
// Where a created container waits for start: a socket in its state directory that its init listens on, and a lock that
// its init holds until its exec. Both are the kernel's word on whether it waits: with the init's end, or its exec, they
// are closed.
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

// Whether a process holds the gate: a container without one was never to wait. One open(2) and a flock(2).
Result<bool> waits_for_start(int state_fd);

// The connection to a container that waits, and the memory of its plan.
struct StartConnection {
  UniqueFd control;
  PlanMemory memory;
};

// Errors: no process listens; it does not answer within ten seconds; it waits in a format that this minirun does not
// know: the error names both versions, and it keeps waiting. made_by: ContainerRecord::made_by.
Result<StartConnection> connect_for_start(int state_fd, const std::string& made_by);

// Whether what a created container waits behind is still there: between the moment it is let go, or ends, and the end
// of start or the container's removal.
bool has_start_socket(int state_fd);

// After the start: the files are of no use any more.
void remove_start_socket(int state_fd);

}  // namespace minirun
