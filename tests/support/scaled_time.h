// SPDX-License-Identifier: Apache-2.0
// Times on the command line of minirun that a launch must fit into.
#pragma once

#include <algorithm>
#include <string>

#include "tests/support/world.h"

namespace minirun::testing {

// A launch takes a quarter of a second in a guest: three times as long as on a machine is enough for it there.
inline int launch_slowness() {
  return std::min(slowness(), 3);
}

// "600ms", and more where the machine is slow.
inline std::string scaled(int milliseconds) {
  return std::to_string(milliseconds * launch_slowness()) + "ms";
}

}  // namespace minirun::testing
