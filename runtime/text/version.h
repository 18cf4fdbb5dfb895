// SPDX-License-Identifier: Apache-2.0
// The version of this minirun.
#pragma once

namespace minirun {

const char* minirun_version();  // "0.1.0"
const char* minirun_commit();   // git's, as of the build's configuration; "unknown" outside a clone

}  // namespace minirun
