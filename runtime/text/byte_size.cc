// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/byte_size.h"

#include <charconv>
#include <cmath>

#include "runtime/text/json.h"

namespace minirun {

Result<int64_t> parse_byte_size(std::string_view text) {
  if (text == "-1") return int64_t{-1};
  auto wrong = [&] {
    return fail(ErrorKind::usage, "{} is not a size: bytes, or with k, m, g, t or p, or -1 for no limit", quoted(text));
  };
  if (text.empty() || text.find_first_of("0123456789") != 0) return wrong();
  const char* end = text.data() + text.size();

  int64_t whole = 0;  // without a suffix, exact to the byte
  auto plain = std::from_chars(text.data(), end, whole);
  if (plain.ec == std::errc() && plain.ptr == end) return whole;

  double number = 0;
  auto parsed = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (parsed.ec != std::errc() || parsed.ptr == end) return wrong();
  constexpr std::string_view kUnits = "bkmgtp";
  size_t power = kUnits.find(static_cast<char>(*parsed.ptr | 0x20));
  std::string_view tail(parsed.ptr + 1, static_cast<size_t>(end - parsed.ptr - 1));
  bool good_tail = tail.empty() || (power > 0 && (tail == "b" || tail == "B" || tail == "ib" || tail == "iB"));
  if (power == kUnits.npos || !good_tail) return wrong();
  number = std::floor(std::ldexp(number, static_cast<int>(10 * power)));
  if (number >= 0x1p63) return wrong();
  return static_cast<int64_t>(number);
}

}  // namespace minirun
