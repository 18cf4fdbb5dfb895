// SPDX-License-Identifier: Apache-2.0
// Words of the command line: a signal is one that the kernel has and the one that was meant; spans of time and sizes
// are not negative and do not wrap around.
#include <algorithm>
#include <charconv>
#include <csignal>

#include "runtime/text/byte_size.h"
#include "runtime/text/duration.h"
#include "runtime/text/signal_name.h"
#include "tests/fuzz/fuzz.h"

namespace minirun {
namespace {

void check_signal(const std::string& text) {
  auto signal = parse_signal(text);
  int number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool is_number = error == std::errc() && end == text.data() + text.size();
  if (is_number) {
    HOLDS(signal.ok() == (number >= 1 && number <= 64), text);
    HOLDS(!signal.ok() || *signal == number, text);
  }
  if (!signal.ok()) return;
  HOLDS(*signal >= 1 && *signal <= 64, text);
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  auto same = parse_signal(lower);
  HOLDS(same.ok() && *same == *signal, text);
  if (is_number || lower.starts_with("sig")) return;
  auto longer = parse_signal("SIG" + text);
  HOLDS(longer.ok() && *longer == *signal, text);
}

void check_span(const std::string& text) {
  auto span = parse_duration(text);
  if (!span.ok()) return;
  HOLDS(span->count() >= 0, text);
  // The same span twice is twice as long, or is refused.
  if (text == "0") return;
  auto twice = parse_duration(text + text);
  HOLDS(!twice.ok() || twice->count() / 2 == span->count(), text);
}

void check_size(const std::string& text) {
  auto size = parse_byte_size(text);
  if (!size.ok()) return;
  HOLDS(*size >= -1 && (*size >= 0 || text.find('-') != std::string::npos), text);
}

}  // namespace
}  // namespace minirun

FUZZ(input) {
  std::string text(input.rest());
  minirun::check_signal(text);
  minirun::check_span(text);
  minirun::check_size(text);
}
