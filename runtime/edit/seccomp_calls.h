// SPDX-License-Identifier: Apache-2.0
// The system calls of x86-64, x32 and i386, each in one group: what the default profile does with it, and why.
// docs/seccomp.md is the same for people.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace minirun {

enum class SeccompDecision : uint8_t {
  allowed,
  with_capability,  // allowed where the bounding set has one of the group's capabilities
  conditional,      // depends on an argument: seccomp_profile.cc has the rules
  denied,
};

struct SeccompGroup {
  std::string_view about;
  SeccompDecision decision;
  std::string_view capabilities;  // names, separated by blanks
  std::string_view calls;         // names, separated by blanks
};

// As of Linux 6.18. Old libraries do not know the newest names, and leave them out (seccomp/filter.h says what happens
// to the calls then).
std::span<const SeccompGroup> seccomp_groups();

}  // namespace minirun
