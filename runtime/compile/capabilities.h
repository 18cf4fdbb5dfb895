// SPDX-License-Identifier: Apache-2.0
// Turns names of capabilities into the 64-bit masks of capabilities(7).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/oci/spec.h"

namespace minirun {

// Bit n is capability number n. The container's side applies them in the order of capabilities(7): drop what is not in
// `bounding` while CAP_SETPCAP is still effective, then capset(2), then raise `ambient`.
struct CapabilitySets {
  uint64_t bounding = 0;
  uint64_t effective = 0;
  uint64_t inheritable = 0;
  uint64_t permitted = 0;
  uint64_t ambient = 0;
};

struct ResolvedCapabilities {
  CapabilitySets sets;
  std::vector<std::string> warnings;  // one per thing left out, "/process/capabilities/ambient: ..."
};

// The sets that the process gets. Capabilities that cannot be granted are left out with a warning, never an error
// (config.md, "Linux Process": MUST be logged as a warning, SHOULD NOT fail): names that this kernel or libcap does not
// know, what is not in `grantable`, and what the kernel would refuse (capset(2), prctl(2)): effective beyond permitted,
// inheritable beyond bounding, ambient beyond permitted and inheritable. nullptr: all sets empty.
ResolvedCapabilities resolve_capabilities(const oci::Capabilities* capabilities, uint64_t grantable);

// "CAP_CHOWN,CAP_KILL"; "none" for 0.
std::string capability_names(uint64_t mask);

// The capabilities that this process can pass on without a new user namespace (in one, it has all: all_capabilities()).
uint64_t grantable_capabilities();

// All capabilities of the running kernel (cap_max_bits).
uint64_t all_capabilities();

}  // namespace minirun
