// SPDX-License-Identifier: Apache-2.0
// Makes foreign text safe to print: shows what a terminal would obey.
#pragma once

#include <string>
#include <string_view>

namespace minirun {

// The length of the valid UTF-8 sequence at the start of text, or 0 (RFC 3629: no overlong forms, no surrogates).
size_t utf8_length(std::string_view text);

// Whether all of it is valid UTF-8.
bool is_utf8(std::string_view text);

// The length of the character at the start of text if a terminal prints it, or 0 if it obeys it or may do so: control
// characters of both sets (C0, DEL, and U+0080 to U+009F, of which U+009B means ESC [ in ECMA-48), and bytes that are
// not UTF-8, which a terminal with another character set reads as those.
size_t printed_length(std::string_view text);

// Shows each byte that is not printable as \xNN.
std::string shown_line(std::string_view text);

// The same, but line ends and tabs stay.
std::string shown_lines(std::string_view text);

}  // namespace minirun
