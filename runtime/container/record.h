// SPDX-License-Identifier: Apache-2.0
// The record's text: JSON, so that a person can read it.
#pragma once

#include <string>
#include <string_view>

#include "runtime/container/state_directory.h"

namespace minirun {

// In kRecordFormat and in the name of this minirun, whatever the record was read as.
std::string record_to_json(const ContainerRecord& record);

// Errors name what is missing or of the wrong type: a record may be truncated or damaged. One of a newer format comes
// back as far as its members are those of this one; where they are not, check_format()'s error does.
Result<ContainerRecord> record_from_json(std::string_view text);

// Refuses a record of a newer format, with both versions.
Result<void> check_format(const ContainerRecord& record);

}  // namespace minirun
