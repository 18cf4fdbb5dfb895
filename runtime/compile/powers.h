// SPDX-License-Identifier: Apache-2.0
// Capabilities that reach the host from a container without a user namespace: docs/security.md, "Capability by
// capability". `plan` warns about those of a config, `features` lists them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/compile/host_facts.h"
#include "runtime/oci/spec.h"

namespace minirun {

// What keeps a capability from the host, if anything does.
enum class Barrier : uint8_t {
  none,
  pid_namespace,      // a new one
  network_namespace,  // a new one, or one that is not the host's
  device_filter,      // of the cgroup
};

struct Power {
  unsigned capability;  // CAP_*
  Barrier barrier;
  const char* gives;  // a verb phrase: what the container can do with it
};

// In the order of capabilities(7)'s numbers.
std::span<const Power> powers();

// One line for each that the container has: "/process/capabilities: CAP_SYS_TIME without a user namespace: sets ...".
// Empty with a user namespace, or if minirun itself is in one that is not the host's.
std::vector<std::string> powers_over_host(const oci::Spec& spec, const HostFacts& host, bool device_filter);

}  // namespace minirun
