// SPDX-License-Identifier: Apache-2.0
// JSON that is copied with some values exchanged: a config.json keeps what its editor does not know.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "runtime/text/json.h"
#include "runtime/text/json_writer.h"

namespace minirun {

// By JSON pointer: what writes the value in the place of the one there. A pointer to a member that an object does not
// have adds it at the object's end; one whose parent is missing is not written.
using JsonReplacements = std::map<std::string, std::function<void(JsonWriter&)>>;

void copy_json(JsonWriter& out, const JsonValue& value, const JsonReplacements& replacements);

}  // namespace minirun
