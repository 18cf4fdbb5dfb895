// SPDX-License-Identifier: Apache-2.0
// /linux/resources as the numbers that cgroups/ knows: for a new container and for `update`.
#pragma once

#include <vector>

#include "cgroups/device_filter.h"
#include "cgroups/limits.h"
#include "runtime/oci/spec.h"

namespace minirun {

// What only cgroup v1 has, and the device rules, are left out.
Limits limits_of(const oci::Resources& resources);

// Without the default devices: with_default_devices() puts them at the end.
std::vector<DeviceRule> device_rules_of(const std::vector<oci::DeviceRule>& rules);

}  // namespace minirun
