// SPDX-License-Identifier: Apache-2.0
// minirun's end of the socket to the init program (namespaces/plan.h draws the protocol).
#pragma once

#include <optional>

#include "namespaces/plan.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct Received {
  enum class Kind : uint8_t {
    message,      // envelope; with terminal and plan also fd
    end_of_file,  // the other side is closed, by the exec (close-on-exec) or the process's end
  };
  Kind kind = Kind::end_of_file;
  Envelope envelope{};
  UniqueFd fd;
};

// The next message of the init program, without waiting: nothing if none has arrived and the other side is open.
Result<std::optional<Received>> try_receive(int control);

// Opens the gate at which the init waits. An init that has died meanwhile (the memory limit, a signal) is no error
// here: the next try_receive() finds the end of file, and its caller explains it.
Result<void> open_gate(int control);

}  // namespace minirun
