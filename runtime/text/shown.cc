// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/shown.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace minirun {

size_t utf8_length(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  auto tail = [&](size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  unsigned lead = byte(0);
  if (text.empty()) return 0;
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    bool surrogate = lead == 0xED && byte(1) > 0x9F;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    bool overlong = lead == 0xF0 && byte(1) < 0x90;
    bool beyond = lead == 0xF4 && byte(1) > 0x8F;
    return tail(1) && tail(2) && tail(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

size_t printed_length(std::string_view text) {
  const size_t length = utf8_length(text);
  if (length == 0) return 0;
  const auto first = static_cast<unsigned char>(text[0]);
  const bool c0 = first < ' ' || first == 0x7F;
  const bool c1 = first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0;
  return c0 || c1 ? 0 : length;
}

static std::string show(std::string_view text, std::string_view kept) {
  std::string out;
  while (!text.empty()) {
    size_t printed = kept.find(text[0]) != kept.npos ? 1 : printed_length(text);
    if (printed > 0) {
      out += text.substr(0, printed);
      text.remove_prefix(printed);
      continue;
    }
    // A control character of two bytes is shown as one: its second byte alone would be read as a broken sequence.
    for (size_t left = std::max<size_t>(utf8_length(text), 1); left > 0; --left, text.remove_prefix(1))
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[0]));
  }
  return out;
}

std::string shown_line(std::string_view text) {
  return show(text, "");
}

std::string shown_lines(std::string_view text) {
  return show(text, "\n\t");
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace minirun
