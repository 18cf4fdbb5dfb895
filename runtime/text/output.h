// SPDX-License-Identifier: Apache-2.0
// What commands print on stdout.
#pragma once

#include <string_view>

#include "sys/result.h"

namespace minirun {

// All of it, also where stdout is full for now and does not wait by itself (a pipe with O_NONBLOCK, which is of the
// pipe and so may be another process's choice). Errors: of write(2).
Result<void> write_output(std::string_view text);

}  // namespace minirun
