// SPDX-License-Identifier: Apache-2.0
// Numbers in the text files of /proc and of cgroups (cgroup-v2.rst, "Format").
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace minirun {

// The first line without its end, which both leave the text.
std::string_view take_line(std::string_view* text);

// The number that the text begins with. Nothing: it begins with none ("max"), or one beyond 64 bits.
std::optional<uint64_t> leading_number(std::string_view text);

// The number behind "key " at the start of a line.
std::optional<uint64_t> number_of_line(std::string_view text, std::string_view key);

// The sum of the numbers behind a key such as " total=" in all lines, or in those that begin with a word. Nothing: no
// such line.
std::optional<uint64_t> sum_of_lines(std::string_view text, std::string_view key, std::string_view word = "");

}  // namespace minirun
