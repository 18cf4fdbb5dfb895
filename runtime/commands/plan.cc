// SPDX-License-Identifier: Apache-2.0
// `minirun plan`: prints what run would do, and does nothing.
#include "runtime/commands/command.h"
#include "runtime/compile/plan_print.h"
#include "runtime/launch/prepare.h"
#include "runtime/resources/cgroup_path.h"
#include "runtime/resources/systemd_scope.h"

namespace minirun {

Result<Outcome> perform(const GlobalOptions& global, const PlanCommand& command) {
  Prepared prepared = TRY(prepare_plan(command.bundle, !command.no_init));
  if (cgroup_driver(global) == CgroupDriver::systemd)
    prepared.compiled.cgroup_path = TRY(scope_path(prepared.bundle.spec, prepared.compiled, prepared.id));
  if (cgroup_driver(global) == CgroupDriver::disabled)
    prepared.compiled.cgroup_path = TRY(place_nowhere(prepared.compiled));
  Outcome outcome;
  outcome.out = command.format == "json" ? plan_json(prepared.compiled) : plan_text(prepared.compiled);
  return outcome;
}

}  // namespace minirun
