// SPDX-License-Identifier: Apache-2.0
// The version of this minirun.
#pragma once

namespace minirun {

const char* minirun_version();  // "0.1.0"
const char*
minirun_commit();  // git's, at the time of the build's configuration; "unknown" if it was not built from a clone

}  // namespace minirun
