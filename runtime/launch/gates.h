// SPDX-License-Identifier: Apache-2.0
// The loop of a launch: minirun follows a process on its way to its exec, and does its own part at each gate
// (namespaces/plan.h draws the protocol). Commands pass in what differs between them.
#pragma once

#include <functional>

#include "namespaces/plan.h"
#include "namespaces/spawn.h"
#include "runtime/launch/failure.h"
#include "runtime/launch/source_turns.h"
#include "runtime/supervise/signals.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// The followed process, and the facts about its launch.
struct Channel {
  Child& child;
  Signals& signals;
  LaunchFacts facts;
  bool resident_init = false;    // the init stays, and reports the running workload; else the exec closes its socket
  SourceTurns* turns = nullptr;  // nullptr: none are left
  UniqueFd root{};               // the container's, if the process may be gone when its exec has failed
};

// An error ends the loop. A message without a handler is a breach of protocol.
struct GateHandlers {
  // The terminal that the process has opened; called once.
  std::function<Result<void>(UniqueFd terminal)> terminal{};
  // Called once for each gate at which it waits, which opens when this returns. The terminal handler runs before the
  // first gate.
  std::function<Result<void>(Gate gate)> gate{};
  // Called at Gate::listener, which SeccompAgent::serve opens.
  std::function<Result<void>()> listener{};
};

// Returns when the process waits for start or runs its workload; an error if it never will. The error's exit status is
// 126 or 127 for a failed exec (ErrorKind::exec), and 128 + signal for an abort request.
Result<void> follow(Channel& channel, const GateHandlers& on);

}  // namespace minirun
