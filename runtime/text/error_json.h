// SPDX-License-Identifier: Apache-2.0
// An error for programs: docs/schema/error.json, docs/explain.md. Never change or remove a key.
#pragma once

#include "runtime/text/json_writer.h"
#include "sys/result.h"

namespace minirun {

// Writes kind, exit_status and a key for each known detail into the open object.
void write_error_keys(JsonWriter& json, const Error& error);

}  // namespace minirun
