// SPDX-License-Identifier: Apache-2.0
// The output of `minirun plan`: what a run of the bundle would do, from the same data that run uses.
#pragma once

#include <string>

#include "runtime/compile/compile.h"

namespace minirun {

// Lines of text; control characters of the config are printed as \xNN.
std::string plan_text(const Compiled& compiled);

// One object: cgroup {path, writes, controllers, deviceFilterInstructions}, namespaces, slots [{index, opens, origin}],
// steps [{step, op, does, origin}], warnings.
std::string plan_json(const Compiled& compiled);

}  // namespace minirun
