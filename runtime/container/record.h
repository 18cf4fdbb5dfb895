// SPDX-License-Identifier: Apache-2.0
// The record's text: JSON, so that a person can read it.
#pragma once

#include <string>
#include <string_view>

#include "runtime/container/state_directory.h"

namespace minirun {

// In kRecordFormat and with this minirun's version, whatever format the record was read from.
std::string record_to_json(const ContainerRecord& record);

// Errors name what is missing or of the wrong type: a record may be truncated or damaged. A record of a newer format is
// read as far as its members match this format; if they do not, the error is check_format()'s.
Result<ContainerRecord> record_from_json(std::string_view text);

// Refuses a record of a newer format, with both versions.
Result<void> check_format(const ContainerRecord& record);

}  // namespace minirun
