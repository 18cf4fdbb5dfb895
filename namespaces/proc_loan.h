// SPDX-License-Identifier: Apache-2.0
// Opens a procfs of a pid namespace that is joined by path, for a process that stays outside: namespaces/lend_steps.h.
#pragma once

#include <functional>
#include <vector>

#include "namespaces/plan_builder.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// A separate process does it, and has ended when this returns. plan: joins, then steps::LendProc as its last step.
// init_program: borrowed. cgroup: as in SpawnRequest; if a tracer keeps that process, it stays in there. The result may
// be anything: steps::MountProc checks it. It is an error if a tracer in the pid namespace blocks the process for ten
// seconds. check: called every ten milliseconds until then; its error ends the wait.
Result<std::vector<UniqueFd>> borrow_proc(const Plan& plan, int init_program, int cgroup,
                                          const std::function<Result<void>()>& check);

}  // namespace minirun
