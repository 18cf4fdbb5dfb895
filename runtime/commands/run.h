// SPDX-License-Identifier: Apache-2.0
// The end of a foreground run, which `restore` has too.
#pragma once

#include "runtime/commands/command.h"
#include "runtime/launch/create.h"
#include "sys/result.h"

namespace minirun {

// The rest of a foreground run, from a workload that runs: supervises it until it ends, explains its end, and takes
// away what is left; keep: but for its record. The outcome is the workload's exit status.
Result<Outcome> supervise_to_end(Launch& launch, Container& container, bool keep);

}  // namespace minirun
