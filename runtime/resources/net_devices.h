// SPDX-License-Identifier: Apache-2.0
// linux.netDevices (runtime-spec 1.3 config-linux.md, "Network Devices"): network devices of the host that go into the
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
// addresses of global scope, under its new name ("net%d": the first number that is free there), and up. All are looked
// at before the first one moves: one that is not there, or a name that is taken, changes nothing. Needs CAP_NET_ADMIN
// and CAP_SYS_ADMIN in both namespaces. The caller has one thread: it visits the other namespace on the way.
//
// What was moved stays moved, whatever fails later: with the end of its namespace a virtual device goes and a physical
// one returns (network_namespaces(7)). A device that could not be moved is brought up again. Errors begin with the
// device's JSON pointer.
Result<void> move_net_devices(const NetDevices& devices, int namespace_fd);

}  // namespace minirun
