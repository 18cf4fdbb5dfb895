// SPDX-License-Identifier: Apache-2.0
// Parses sizes on the command line, like runc's update.
#pragma once

#include <cstdint>
#include <string_view>

#include "sys/result.h"

namespace minirun {

// Bytes, or with a suffix k, m, g, t or p (powers of 1024, either case, also "kb" and "kib"): "512m", "1.5g". -1: no
// limit. The error says what was found and what is allowed.
Result<int64_t> parse_byte_size(std::string_view text);

}  // namespace minirun
