// SPDX-License-Identifier: Apache-2.0
// Points of time as text.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

namespace minirun {

// RFC 3339 in UTC with so many digits of a second's fraction: nine as engines parse it.
std::string rfc3339(const timespec& time, int digits = 9);
std::string now_rfc3339(int digits = 9);
inline constexpr int kMicroseconds = 6;  // digits of events and reports
// Whether it is such a text, with six to nine digits of a fraction.
bool is_rfc3339(std::string_view text);

}  // namespace minirun
