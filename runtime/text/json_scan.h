// SPDX-License-Identifier: Apache-2.0
// Where the parts of a JSON text are. The text is valid (JsonDocument::parse() accepts it): nothing is checked.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace minirun {

// The first place from `at` on that is no white space, or the end.
size_t past_space(std::string_view text, size_t at);
// What follows the string whose opening quote is at that place.
size_t past_string(std::string_view text, size_t at);
// What follows the value that begins at that place.
size_t past_value(std::string_view text, size_t at);

// The value of a string's text; nothing for the text of another type.
std::optional<std::string> decoded_string(std::string_view text);
// Without the white space between its parts.
std::string without_space(std::string_view text);

}  // namespace minirun
