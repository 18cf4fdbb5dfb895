// SPDX-License-Identifier: Apache-2.0
// Under NOTIFY_SOCKET, `start` and `run --detach` end when the workload reports that it is ready.
#pragma once

#include <string>

#include "runtime/commands/command.h"
#include "runtime/supervise/notify_relay.h"

namespace minirun {

// How the wait for READY=1 ended.
struct NotifyWait {
  bool ready = false;    // otherwise the container has ended, unless:
  int abort_signal = 0;  // a signal ended the wait
};

// Relays until the container is ready, its first process ends, or a signal ends the wait. After READY=1 it also waits
// for the barrier behind it: minirun must not end before the host knows the new main process.
Result<NotifyWait> await_ready(NotifyRelay& relay, int pidfd, Signals& signals);

// The same for the first process with that pid, at the end of a command ("start ID") whose container keeps running in
// any case. If a signal ends the wait: 128 + signal and an error. Hold no lock of the container: the workload decides
// how long this takes.
Result<Outcome> wait_for_ready(NotifyRelay& relay, const std::string& command, pid_t pid, int pidfd, Signals& signals);

}  // namespace minirun
