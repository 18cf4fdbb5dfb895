// SPDX-License-Identifier: Apache-2.0
// The systemd unit in the container's record.
#pragma once

#include <string>

namespace minirun {

// The unit of a container under the systemd cgroup driver, known before it is made. Engines name the driver only at
// create.
struct SystemdRecord {
  std::string unit;   // "minirun-web1.scope"
  std::string mark;   // its Description, which marks the unit as the container's
  bool user = false;  // the user's manager has it
};

}  // namespace minirun
