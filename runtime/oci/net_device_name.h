// SPDX-License-Identifier: Apache-2.0
// Names of network devices, as the kernel judges them.
#pragma once

#include <string>

namespace minirun {

// Whether the kernel takes this for the name of a device (dev_valid_name() in net/core/dev.c); a template may have one
// "%d" in it.
bool is_net_device_name(const std::string& name, bool may_be_template);

}  // namespace minirun
