// SPDX-License-Identifier: Apache-2.0
// Numbers in sentences.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace minirun {

// In percent; 0 of nothing.
inline double percent(double part, double whole) {
  return whole > 0 ? 100 * part / whole : 0;
}

// "212 MiB": three digits, in the largest unit that leaves at least one before the point.
inline std::string shown_bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1000 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.{}f} {}", value, unit > 0 && value < 9.95 ? 1 : 0, kUnits[unit]);
}

// "1 process", "2 processes".
inline std::string counted(uint64_t number, const char* one, const char* more) {
  return fmt::format("{} {}", number, number == 1 ? one : more);
}

}  // namespace minirun
