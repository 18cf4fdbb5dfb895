// SPDX-License-Identifier: Apache-2.0
// An error for programs: docs/schema/error.json, docs/explain.md. Keys are only ever added.
#pragma once

#include "runtime/text/json_writer.h"
#include "sys/result.h"

namespace minirun {

// Into the object that is open: kind and exit_status, and of what else is known of the error a key each.
void write_error_keys(JsonWriter& json, const Error& error);

}  // namespace minirun
