// SPDX-License-Identifier: Apache-2.0
// What config.json's values mean together: rules of the runtime-spec and of the kernel that a type cannot express, and
// what minirun cannot do (yet). Pure: nothing on the host is looked at. Every problem is reported, not the first.
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
