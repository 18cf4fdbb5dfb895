// SPDX-License-Identifier: Apache-2.0
// Times on the command line of minirun that a launch must fit into.
#pragma once

#include <string>

#include "tests/support/world.h"

namespace minirun::testing {

// "600ms", and more where the machine is slow.
inline std::string scaled(int milliseconds) {
  return std::to_string(milliseconds * slowness()) + "ms";
}

}  // namespace minirun::testing
