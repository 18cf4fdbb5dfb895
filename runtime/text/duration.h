// SPDX-License-Identifier: Apache-2.0
// Parses durations on the command line.
#pragma once

#include <chrono>
#include <string_view>

#include "sys/result.h"

namespace minirun {

// Go's forms: a sequence of decimal numbers, each with its unit (h, m, s, ms, us, ns): "10s", "1.5s", "1m30s", "500ms".
// "0" alone needs no unit. Fractions of a nanosecond are cut off. Errors: no unit, a negative duration, more than int64
// nanoseconds (292 years).
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

}  // namespace minirun
