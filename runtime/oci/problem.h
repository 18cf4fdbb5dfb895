// SPDX-License-Identifier: Apache-2.0
// Problems in config.json.
#pragma once

#include <vector>

#include "sys/result.h"

namespace minirun {

using Problems = std::vector<Problem>;

}  // namespace minirun
