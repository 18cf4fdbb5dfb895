// SPDX-License-Identifier: Apache-2.0
// A network device of the host for a container to take along.
#pragma once

#include "sys/result.h"

namespace minirun::testing {

constexpr const char* kDevice = "ve0";
constexpr const char* kOtherEnd = "ve1";  // of the pair

// Makes the pair where it is not there: with the network namespace that one end was moved to, both go, some time after
// its last process.
Result<void> provide_device();

}  // namespace minirun::testing
