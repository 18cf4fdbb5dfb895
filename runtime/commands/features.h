// SPDX-License-Identifier: Apache-2.0
// What this minirun supports, for engines: runtime-spec features.md and features-linux.md.
#pragma once

#include <string>

namespace minirun {

// The features document, generated from the tables that minirun works with. "enabled" is about minirun, not the host
// (features-linux.md); only capabilities and seccomp flags are the running kernel's.
std::string features_document();

}  // namespace minirun
