// SPDX-License-Identifier: Apache-2.0
// The kernel's rules for names of network devices.
#pragma once

#include <string>

namespace minirun {

// Whether the kernel accepts this as a device's name (dev_valid_name() in net/core/dev.c); a template may contain one
// "%d".
bool is_net_device_name(const std::string& name, bool may_be_template);

}  // namespace minirun
