// The record's text: JSON, so that a person can read it.
#pragma once

#include <string>
#include <string_view>

#include "runtime/container/state_directory.h"

namespace minirun {

std::string record_to_json(const ContainerRecord& record);

// Errors name what is missing or of the wrong type: a record may be truncated or damaged.
Result<ContainerRecord> record_from_json(std::string_view text);

}  // namespace minirun
