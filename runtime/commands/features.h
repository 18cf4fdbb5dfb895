// SPDX-License-Identifier: Apache-2.0
// What this minirun can do, for engines: runtime-spec features.md and features-linux.md.
#pragma once

#include <string>

namespace minirun {

// The features document. Generated from the tables that the rest of minirun works with; "enabled" speaks of minirun,
// not of the host (features-linux.md), but for what the kernel says of capabilities and seccomp flags.
std::string features_document();

}  // namespace minirun
