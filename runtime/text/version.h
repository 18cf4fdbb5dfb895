// SPDX-License-Identifier: Apache-2.0
// What this minirun is.
#pragma once

namespace minirun {

const char* minirun_version();  // "0.1.0"
const char* minirun_commit();   // of git, as of the build's configuration; "unknown" when it was not built from a clone

}  // namespace minirun
