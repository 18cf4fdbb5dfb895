// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/duration.h"

#include <cstdint>

namespace minirun {
namespace {

struct Unit {
  std::string_view name;
  int64_t nanoseconds;
};

// Units that start with another one come first.
constexpr Unit kUnits[] = {
    {"ms", 1'000'000},        {"us", 1'000},         {"\xc2\xb5s", 1'000}, {"ns", 1},
    {"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000},
};

bool is_digit(std::string_view text) {
  return !text.empty() && text[0] >= '0' && text[0] <= '9';
}

// Takes the digits off the front. False: the number is too large.
bool take_number(std::string_view* text, int64_t* number, int64_t* digits) {
  for (; is_digit(*text); text->remove_prefix(1), ++*digits) {
    if (__builtin_mul_overflow(*number, 10, number) || __builtin_add_overflow(*number, (*text)[0] - '0', number))
      return false;
  }
  return true;
}

// ".25" of the unit, for as many digits as matter.
int64_t take_fraction(std::string_view* text, int64_t unit, int64_t* digits) {
  int64_t sum = 0;
  for (; is_digit(*text); text->remove_prefix(1), ++*digits) {
    int64_t tenth = unit / 10;
    sum += ((*text)[0] - '0') * tenth;
    unit = tenth;
  }
  return sum;
}

// "1.5s" off the front of the text, added to the sum.
bool take_part(std::string_view* text, int64_t* sum) {
  int64_t whole = 0, digits = 0;
  if (!take_number(text, &whole, &digits)) return false;
  std::string_view fraction;
  if (text->starts_with('.')) {
    text->remove_prefix(1);
    fraction = *text;
    while (is_digit(*text)) text->remove_prefix(1);
  }
  for (const Unit& unit : kUnits) {
    if (!text->starts_with(unit.name)) continue;
    text->remove_prefix(unit.name.size());
    int64_t part = take_fraction(&fraction, unit.nanoseconds, &digits);
    return digits > 0 && !__builtin_mul_overflow(whole, unit.nanoseconds, &whole) &&
           !__builtin_add_overflow(whole, part, &whole) && !__builtin_add_overflow(*sum, whole, sum);
  }
  return false;
}

}  // namespace

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  if (text == "0") return std::chrono::nanoseconds(0);
  int64_t sum = 0;
  bool good = !text.empty();
  for (std::string_view rest = text; good && !rest.empty();) good = take_part(&rest, &sum);
  if (good) return std::chrono::nanoseconds(sum);
  return fail(ErrorKind::usage, "\"{}\" is not a duration: numbers with a unit, such as 10s, 500ms or 1m30s", text);
}

}  // namespace minirun
