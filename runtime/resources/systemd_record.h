// SPDX-License-Identifier: Apache-2.0
// What the container's record keeps of its systemd unit.
#pragma once

#include <string>

namespace minirun {

// The unit of a container under the systemd cgroup driver: known before it is made. Engines name the driver at create
// only.
struct SystemdRecord {
  std::string unit;   // "minirun-web1.scope"
  std::string mark;   // its Description: by it the unit is known for the container's
  bool user = false;  // of the manager of the user
};

}  // namespace minirun
