// SPDX-License-Identifier: Apache-2.0
// minirun's end of the socket to the init program (the protocol is drawn in namespaces/plan.h).
#pragma once

#include <optional>

#include "namespaces/plan.h"
#include "runtime/supervise/signals.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct Received {
  enum class Kind : uint8_t {
    message,      // envelope; with terminal and plan also fd
    end_of_file,  // the other side is closed: by exec (close-on-exec), or because the process ended
    aborted,      // minirun was sent `signal` and is to give up
  };
  Kind kind = Kind::end_of_file;
  Envelope envelope{};
  UniqueFd fd;
  int signal = 0;
};

// Waits for the next message of the init program. A message that is there goes before an abort request, so that a
// container that runs already is not taken for one that does not: the signal stays in the queue and is delivered.
// pidfd: the container's init; its end counts as end of file even when another process holds the socket open.
// It has no time limit: setting up may take as long as the mounts take; signals end it.
Result<Received> receive(int control, int pidfd, Signals& signals);

// The same without waiting: nothing without a message while the other side is open.
Result<std::optional<Received>> try_receive(int control);

// Opens the gate that the init waits at. An init that has died meanwhile (the memory limit, a signal) is no error here:
// the next receive() finds the end of file, and the one who waits there says why.
Result<void> open_gate(int control);

}  // namespace minirun
