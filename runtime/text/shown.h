// SPDX-License-Identifier: Apache-2.0
// Text that others wrote, for people to read: what a terminal would obey is shown instead.
#pragma once

#include <string>
#include <string_view>

namespace minirun {

// The length of the valid UTF-8 sequence at the start of text, or 0 (RFC 3629: no overlong forms, no surrogates).
size_t utf8_length(std::string_view text);

// The length of the character at the start of text when a terminal prints it, or 0 when it obeys it or may do so:
// control characters of both sets (C0, DEL, and U+0080 to U+009F, of which U+009B stands for ESC [ in ECMA-48), and
// bytes that are not UTF-8, which a terminal with another character set reads as those.
size_t printed_length(std::string_view text);

// Each byte that is not printed as \xNN.
std::string shown_line(std::string_view text);

// The same, but line ends and tabs stay.
std::string shown_lines(std::string_view text);

}  // namespace minirun
