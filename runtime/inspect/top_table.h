// SPDX-License-Identifier: Apache-2.0
// What `top` prints: tables of a width, and JSON. docs/schema/top.json
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/inspect/usage.h"

namespace minirun {

// How a line stands out, where the terminal can show it.
enum class Tone : uint8_t { plain, title, warning, critical };

struct Line {
  std::string text;  // safe to print, at most as wide as asked for
  Tone tone = Tone::plain;
};

inline constexpr size_t kLeastWidth = 40;

// A title and a line for each. width: columns of the terminal; more of them show more.
std::vector<Line> container_table(const std::vector<ContainerUsage>& containers, size_t width);
std::vector<Line> process_table(const ContainerUsage& container, size_t width);

// The first columns of a text that is safe to print, by its characters.
std::string cut_to_width(const std::string& text, size_t width);

// One line. time: RFC 3339; interval_s: 0 for the first look, which knows no rates.
std::string top_json(const std::vector<ContainerUsage>& containers, const std::string& time, double interval_s,
                     bool each_process);

}  // namespace minirun
