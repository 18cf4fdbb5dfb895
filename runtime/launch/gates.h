// SPDX-License-Identifier: Apache-2.0
// The one loop of a launch: minirun hears what a process says on its way to its exec, and does its own part at each
// gate (the protocol is drawn in namespaces/plan.h). Commands hand in what differs between them.
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

// The process that is followed, and what is known of its launch.
struct Channel {
  Child& child;
  Signals& signals;
  LaunchFacts facts;
  bool resident_init = false;    // it stays, and says when the workload runs; else its socket closes with the exec
  SourceTurns* turns = nullptr;  // nullptr: none are left
  UniqueFd root{};               // of the container, where the process may be gone when its exec has failed
};

// An error ends the following. What has no handler is no part of the protocol with this process.
struct GateHandlers {
  // The terminal that it has opened, once.
  std::function<Result<void>(UniqueFd terminal)> terminal{};
  // Where it waits, each gate once; opened when this returns. At the first one the terminal has been handed over.
  std::function<Result<void>(Gate gate)> gate{};
  // At Gate::listener, which SeccompAgent::serve opens.
  std::function<Result<void>()> listener{};
};

// Until the process waits for start, or runs its workload; an error when it never will. The error's exit status is 126
// or 127 for an exec that failed (ErrorKind::exec), and 128 + signal when minirun was asked to give up.
Result<void> follow(Channel& channel, const GateHandlers& on);

}  // namespace minirun
