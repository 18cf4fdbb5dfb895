// SPDX-License-Identifier: Apache-2.0
// A procfs of a pid namespace that is joined by path, for a process that stays outside of it: namespaces/lend_steps.h.
#pragma once

#include <functional>
#include <vector>

#include "namespaces/plan_builder.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// By a process of its own, which has ended when this returns. plan: joins, then steps::LendProc as its last step.
// init_program: borrowed. cgroup: as in SpawnRequest; whatever tracers keep of that process is in there. What comes
// back may be anything: steps::MountProc looks at it. Where the pid namespace's tracers hold it up for ten seconds this
// is an error. check: called every ten milliseconds until then; its error ends the wait.
Result<std::vector<UniqueFd>> borrow_proc(const Plan& plan, int init_program, int cgroup,
                                          const std::function<Result<void>()>& check);

}  // namespace minirun
