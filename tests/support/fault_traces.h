// SPDX-License-Identifier: Apache-2.0
// What the sweeps look for beside the traces of the integration tests.
#pragma once

#include "tests/support/fixture.h"

namespace minirun::testing {

// take_traces(), and the network devices and unix sockets of this network namespace.
Traces take_all_traces();

}  // namespace minirun::testing
