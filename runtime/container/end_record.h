// SPDX-License-Identifier: Apache-2.0
// The members of a record that reports are made of.
#pragma once

#include "runtime/container/state_directory.h"
#include "runtime/text/json.h"
#include "runtime/text/json_writer.h"

namespace minirun {

void write_end(JsonWriter& json, const EndRecord& end);
void write_baseline(JsonWriter& json, const Baseline& baseline);

// Of a record's root object. They skip members of another type or range: a report can do without them.
std::optional<EndRecord> read_end(JsonValue root);
std::optional<Baseline> read_baseline(JsonValue root);

}  // namespace minirun
