// SPDX-License-Identifier: Apache-2.0
// Converts /linux/resources to the types of cgroups/, for a new container and for `update`.
#pragma once

#include <vector>

#include "cgroups/device_filter.h"
#include "cgroups/limits.h"
#include "runtime/oci/spec.h"

namespace minirun {

// Leaves out settings that only cgroup v1 has, and the device rules.
Limits limits_of(const oci::Resources& resources);

// Without the default devices: with_default_devices() appends them.
std::vector<DeviceRule> device_rules_of(const std::vector<oci::DeviceRule>& rules);

}  // namespace minirun
