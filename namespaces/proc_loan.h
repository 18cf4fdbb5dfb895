// SPDX-License-Identifier: Apache-2.0
// A procfs of a pid namespace that is joined by path, for a process that stays outside of it: namespaces/lend_steps.h.
#pragma once

#include <vector>

#include "namespaces/plan_builder.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// By a process of its own, which has ended when this returns. plan: joins, then steps::LendProc as its last step.
// init_program: borrowed. cgroup: as in SpawnRequest; whatever tracers keep of that process is in there. What comes
// back may be anything: steps::MountProc looks at it. Where the pid namespace's tracers hold it up this is an error.
Result<std::vector<UniqueFd>> borrow_proc(const Plan& plan, int init_program, int cgroup);

}  // namespace minirun
