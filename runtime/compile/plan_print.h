// SPDX-License-Identifier: Apache-2.0
// What `minirun plan` prints: all that a run of the bundle would do, from the same data that does it.
#pragma once

#include <string>

#include "runtime/compile/compile.h"

namespace minirun {

// Lines for a person; control characters of the config come out as \xNN.
std::string plan_text(const Compiled& compiled);

// One object: cgroup {path, writes, controllers, deviceFilterInstructions}, namespaces, slots [{index, opens, origin}],
// steps [{step, op, does, origin}], warnings.
std::string plan_json(const Compiled& compiled);

}  // namespace minirun
