// SPDX-License-Identifier: Apache-2.0
#include "sys/kernel_text.h"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace minirun {

std::string_view take_line(std::string_view* text) {
  std::string_view line = text->substr(0, text->find('\n'));
  text->remove_prefix(std::min(text->size(), line.size() + 1));
  return line;
}

std::optional<uint64_t> leading_number(std::string_view text) {
  uint64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc()) return std::nullopt;
  return value;
}

std::optional<uint64_t> number_of_line(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::string_view line = take_line(&text);
    if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ' ')
      return leading_number(line.substr(key.size() + 1));
  }
  return std::nullopt;
}

std::optional<uint64_t> sum_of_lines(std::string_view text, std::string_view key, std::string_view word) {
  std::optional<uint64_t> sum;
  while (!text.empty()) {
    std::string_view line = take_line(&text);
    size_t at = line.starts_with(word) ? line.find(key) : std::string_view::npos;
    auto value = at != std::string_view::npos ? leading_number(line.substr(at + key.size())) : std::nullopt;
    if (value) sum = sum.value_or(0) + *value;
  }
  return sum;
}

}  // namespace minirun
