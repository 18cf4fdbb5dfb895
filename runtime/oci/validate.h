// SPDX-License-Identifier: Apache-2.0
// Checks what config.json's values mean together: rules of the runtime-spec and the kernel that a type cannot express,
// and what minirun does not support. Pure: examines nothing on the host. Reports every problem, not just the first.
#pragma once

#include "runtime/oci/problem.h"
#include "runtime/oci/spec.h"

namespace minirun {

struct Findings {
  Problems problems;  // any of these: the container is not made
  Problems warnings;  // accepted, but not what the author may have meant
};

Findings validate(const oci::Spec& spec);

}  // namespace minirun
