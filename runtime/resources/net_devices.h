// SPDX-License-Identifier: Apache-2.0
// linux.netDevices (runtime-spec 1.3 config-linux.md, "Network Devices"): moves network devices of the host into the
// container's network namespace.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

using NetDevices = std::vector<std::pair<std::string, oci::NetDevice>>;

// Moves the devices from the caller's network namespace into the one behind the descriptor: each with its permanent
// addresses of global scope, under its new name ("net%d": the first free number there), and up. Checks all before the
// first one moves: a missing device or a taken name changes nothing. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN in both
// namespaces. The caller must have one thread, which enters the other namespace on the way.
//
// A moved device stays moved, whatever fails later: at the end of its namespace the kernel removes a virtual device and
// returns a physical one (network_namespaces(7)). A device that could not be moved is brought up again. Errors begin
// with the device's JSON pointer.
Result<void> move_net_devices(const NetDevices& devices, int namespace_fd);

}  // namespace minirun
