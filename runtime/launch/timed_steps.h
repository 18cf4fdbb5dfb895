// SPDX-License-Identifier: Apache-2.0
// --timing: the steps of a launch, which the container's side stamps with their times.
#pragma once

#include "namespaces/plan_builder.h"
#include "namespaces/plan_memory.h"

namespace minirun {

// Which steps may be stamped: those under the workload's filter only if it allows both clocks. Off without --timing.
Stamping stamping_of(const Plan& plan);

// Takes over what the container's side has stamped so far; failed: the launch has, so its report names the step. Does
// nothing without --timing.
void take_steps(const Plan& plan, const PlanMemory& memory, bool failed);
// The same of a `start`, which has no plan.
void take_failed_step(const PlanMemory& memory);

}  // namespace minirun
