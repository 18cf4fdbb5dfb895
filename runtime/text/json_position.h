// SPDX-License-Identifier: Apache-2.0
// Where values of a JSON text are, for errors. The tree keeps no positions: only an error needs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace minirun {

struct JsonPosition {
  uint32_t line = 0;    // from 1
  uint32_t column = 0;  // from 1, in bytes, as in the errors of JsonDocument::parse
};

struct JsonPlace {
  size_t order = 0;      // JsonValue::order()
  bool of_name = false;  // of the member's name, not of its value
};

// text: JsonDocument::parse() accepts it. places: sorted by order. One walk over the text finds them all.
std::vector<JsonPosition> find_positions(std::string_view text, const std::vector<JsonPlace>& places);

}  // namespace minirun
