// SPDX-License-Identifier: Apache-2.0
// Sizes on the command line, as runc's update takes them.
#pragma once

#include <cstdint>
#include <string_view>

#include "sys/result.h"

namespace minirun {

// Bytes, or with a suffix k, m, g, t or p (powers of 1024, either case, also "kb" and "kib"): "512m", "1.5g". -1: no
// limit. The error says what was found and what would be right.
Result<int64_t> parse_byte_size(std::string_view text);

}  // namespace minirun
