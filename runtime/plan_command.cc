#include "runtime/commands.h"
#include "runtime/prepare.h"

namespace minirun {

Result<Outcome> plan_command(const GlobalOptions&, const PlanCommand& command) {
  Prepared prepared = TRY(prepare_plan(command));
  Outcome outcome;
  for (uint32_t i = 0; i < prepared.compiled.plan.steps.size(); i++)
    outcome.out += fmt::format("{:3} {}\n", i + 1, describe(prepared.compiled.plan, i));
  return outcome;
}

}  // namespace minirun
