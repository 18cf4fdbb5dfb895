// SPDX-License-Identifier: Apache-2.0
// `minirun plan`: prints what run would do, without doing it.
#include "runtime/commands/command.h"
#include "runtime/compile/plan_print.h"
#include "runtime/launch/prepare.h"
#include "runtime/resources/cgroup_path.h"
#include "runtime/resources/systemd_scope.h"

namespace minirun {
namespace {

struct PlanCommand {
  std::string bundle = ".";
  std::string format = "text";
  bool no_init = false;
};

void describe(Options& options, PlanCommand& command) {
  options.flag("--no-init", command.no_init, "plan for run --no-init");
  options.choice("-f,--format", {"text", "json"}, command.format, "how to print the steps (default: text)");
  options.bundle(command.bundle);
}

Result<Outcome> perform(const GlobalOptions& global, const PlanCommand& command) {
  Bundle bundle = TRY(load_bundle(command.bundle));
  Prepared prepared = TRY(prepare_plan(std::move(bundle), !command.no_init));
  if (cgroup_driver(global) == CgroupDriver::systemd)
    prepared.compiled.cgroup_path = TRY(scope_path(*prepared.bundle.spec, prepared.compiled, prepared.id));
  if (cgroup_driver(global) == CgroupDriver::disabled)
    prepared.compiled.cgroup_path = TRY(place_nowhere(prepared.compiled));
  Outcome outcome;
  outcome.out = command.format == "json" ? plan_json(prepared.compiled) : plan_text(prepared.compiled);
  return outcome;
}

}  // namespace

Command plan_command() {
  return Command::of<PlanCommand, describe, perform>({
      .summary = "print what run would do, step by step, without doing it",
      .arguments = "[BUNDLE]",
      .description =
          "Prints the steps that run would take for the bundle, each with its place in config.json, without taking "
          "any. Errors of run name the same step numbers.",
      .examples = {{{"minirun plan bundle/", "the steps, numbered"},
                    {"minirun plan --format json bundle/", "the same for programs"}}},
  });
}

}  // namespace minirun
