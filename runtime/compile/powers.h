// SPDX-License-Identifier: Apache-2.0
// Capabilities that reach the host when a container without a user namespace has them: docs/security.md, "Capability by
// capability". `plan` says so of a config, `features` lists them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/compile/host_facts.h"
#include "runtime/oci/spec.h"

namespace minirun {

// What keeps a capability from the host, where something does.
enum class Barrier : uint8_t {
  none,
  pid_namespace,      // a new one
  network_namespace,  // a new one, or one that is not the host's
  device_filter,      // of the cgroup
};

struct Power {
  unsigned capability;  // CAP_*
  Barrier barrier;
  const char* gives;  // a verb and what the container does with it
};

// In the order of capabilities(7)'s numbers.
std::span<const Power> powers();

// One line for each that the container has: "/process/capabilities: CAP_SYS_TIME without a user namespace: sets ...".
// Empty with a user namespace, and where minirun itself is in one that is not the host's.
std::vector<std::string> powers_over_host(const oci::Spec& spec, const HostFacts& host, bool device_filter);

}  // namespace minirun
