// SPDX-License-Identifier: Apache-2.0
// The time between two looks at a container.
#pragma once

#include <chrono>
#include <string>

#include "sys/result.h"

namespace minirun {

// A duration ("500ms"), or a number of seconds ("2", "0.5"), from 10 ms to one hour. Errors begin with the option.
Result<std::chrono::nanoseconds> parse_interval(const std::string& text, const char* option);

}  // namespace minirun
