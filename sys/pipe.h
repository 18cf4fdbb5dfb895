// SPDX-License-Identifier: Apache-2.0
// Pipes: pipe(2), pipe(7).
#pragma once

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct Pipe {
  UniqueFd reader, writer;
};

// A new one, both ends O_CLOEXEC. flags: O_NONBLOCK and the like, which hold for both ends. Errors: EMFILE, ENFILE.
Result<Pipe> make_pipe(int flags = 0);

}  // namespace minirun
