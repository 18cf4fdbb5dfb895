// SPDX-License-Identifier: Apache-2.0
// Faults in `spec`, which makes no container: what counts is the file.
#pragma once

#include "tests/faults/sweeps.h"

namespace minirun::testing {

// Prints a line for each sweep, as the other sweeps have it. False if one has failed. Needs the private world.
bool sweep_spec(const SweepOptions& options);

}  // namespace minirun::testing
