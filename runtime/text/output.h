// SPDX-License-Identifier: Apache-2.0
// The output of commands on stdout.
#pragma once

#include <string_view>

#include "sys/result.h"

namespace minirun {

// Writes all of it, even if stdout is full at the moment and does not block (a pipe with O_NONBLOCK, which another
// process may have set). Errors: those of write(2).
Result<void> write_output(std::string_view text);

}  // namespace minirun
