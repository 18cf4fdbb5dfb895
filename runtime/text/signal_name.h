// SPDX-License-Identifier: Apache-2.0
// Names and numbers of signals.
#pragma once

#include <string_view>

#include "sys/result.h"

namespace minirun {

// "15", "TERM", "SIGTERM", "sigterm", "RTMIN+3", "SIGRTMAX-1" → the number, 1 to 64. Real-time names count from glibc's
// SIGRTMIN (34), not the kernel's, as in other programs (signal(7)).
Result<int> parse_signal(std::string_view text);

}  // namespace minirun
