// SPDX-License-Identifier: Apache-2.0
// `start` and `run --detach` under NOTIFY_SOCKET end when the workload says that it is ready.
#pragma once

#include <string>

#include "runtime/commands/command.h"
#include "runtime/supervise/notify_relay.h"

namespace minirun {

// How the waiting for READY=1 ended.
struct NotifyWait {
  bool ready = false;    // otherwise the container has ended, unless:
  int abort_signal = 0;  // a signal to give up came
};

// Relays until the container is ready, its first process ends, or a signal says to give up. With READY=1 on its way
// also the barrier behind it: minirun is not gone before the host knows who is the main process from now on.
Result<NotifyWait> await_ready(NotifyRelay& relay, int pidfd, Signals& signals);

// The same for the first process with that pid, as the end of a command ("start ID") whose container runs on
// whatever comes: 128 + signal and an error when it is given up. Hold no lock of the container: it may take as long as
// the workload likes.
Result<Outcome> wait_for_ready(NotifyRelay& relay, const std::string& command, pid_t pid, int pidfd, Signals& signals);

}  // namespace minirun
