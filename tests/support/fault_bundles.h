// SPDX-License-Identifier: Apache-2.0
// The containers that the sweeps make.
#pragma once

#include <cstdint>

#include "tests/support/bundle.h"

namespace minirun::testing {

// privileged: most of what config.json can ask for, without a user namespace. user: with one and a time namespace, and
// with hooks: more processes in the tree. attached: with a terminal, which goes to a console socket, and, where this
// machine has such, a network device of the host. joined: in an existing pid namespace, with a startContainer hook.
// overlay, kept: the changes are in memory, or in a directory of the bundle.
enum class Kind : uint8_t { privileged, user, attached, joined, overlay, kept };
const char* name_of(Kind kind);

// Writes the bundle, whose workload pauses after its report; another in its folder "ends", whose workload ends then;
// and "update.json" for `update`.
void write_bundles(Kind kind, Bundle& bundle);

}  // namespace minirun::testing
