// `minirun plan`: what run would do, told and not done.
#include "runtime/commands.h"
#include "runtime/plan_print.h"
#include "runtime/prepare.h"

namespace minirun {

Result<Outcome> perform(const GlobalOptions&, const PlanCommand& command) {
  Prepared prepared = TRY(prepare_plan(command));
  Outcome outcome;
  outcome.out = command.format == "json" ? plan_json(prepared.compiled) : plan_text(prepared.compiled);
  return outcome;
}

}  // namespace minirun
