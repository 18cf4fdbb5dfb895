// SPDX-License-Identifier: Apache-2.0
// Ids that minirun makes up itself.
#pragma once

#include <string>

#include "sys/result.h"

namespace minirun {

// Twelve random hexadecimal digits (getrandom(2)).
Result<std::string> make_up_id();

}  // namespace minirun
