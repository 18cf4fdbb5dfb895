// SPDX-License-Identifier: Apache-2.0
// --timing: what was measured, for people and for programs (docs/explain.md, docs/schema/timing.json).
#pragma once

#include <string>

#include "runtime/text/json_writer.h"
#include "runtime/text/stopwatch.h"

namespace minirun {

// Lines, the last one without its end.
std::string timing_table(const Timing& timing);
// The same as one object.
void write_timing(JsonWriter& json, const Timing& timing);

}  // namespace minirun
