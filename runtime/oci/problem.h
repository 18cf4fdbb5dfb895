// SPDX-License-Identifier: Apache-2.0
// One thing that is wrong in config.json.
#pragma once

#include <string>
#include <vector>

namespace minirun {

struct Problem {
  std::string pointer;  // JSON pointer of what is wrong, or of what is missing
  std::string message;  // what is allowed, and what was found
};

using Problems = std::vector<Problem>;

}  // namespace minirun
