// SPDX-License-Identifier: Apache-2.0
// `minirun check`: whether this host can run a bundle.
#include "runtime/check/check.h"

#include "runtime/commands/command.h"
#include "runtime/commands/launch_options.h"
#include "runtime/inspect/terminal_screen.h"
#include "runtime/launch/overlay.h"

namespace minirun {
namespace {

constexpr int kWouldNotRun = 2;

constexpr ExitStatus kCheckStatuses[] = {
    {"0", "run would work, or only run shows; warnings do not count"},
    {"2", "run would fail; the lines that begin with \"no\" say why"},
    {"1", "could not look, as at a bundle that does not exist"},
};

struct CheckCommand {
  std::string bundle;  // "": the host alone
  std::string format = "text";
  LaunchOptions launch;
  bool no_init = false;
};

void describe(Options& options, CheckCommand& command) {
  options.flag("--no-init", command.no_init, "check for run --no-init");
  describe_strict(options, command.launch.strict);
  options.choice("-f,--format", {"text", "json"}, command.format, "how to print the lines (default: text)");
  describe_overlay(options, command.launch);
  options.bundle(command.bundle);
}

Result<Outcome> perform(const GlobalOptions& global, const CheckCommand& command) {
  CheckRequest request{command.launch, !command.no_init, global.root, cgroup_driver(global)};
  request.options.bundle = command.bundle;
  TRY(overlay_bytes(request.options));
  if (command.bundle.empty() && (command.launch.has_overlay() || command.launch.strict || command.no_init))
    return fail(ErrorKind::usage, "{}: needs a bundle",
                command.launch.overlay        ? "--overlay"
                : command.launch.keep_changes ? "--keep-changes"
                : command.launch.strict       ? "--strict"
                                              : "--no-init");
  const CheckReport report = command.bundle.empty() ? check_host() : TRY(check_bundle(request));
  Outcome outcome;
  outcome.out = command.format == "json" ? check_json(report) : check_text(report, has_screen() && wants_colours());
  outcome.status = report.verdict() == Verdict::no ? kWouldNotRun : 0;
  return outcome;
}

}  // namespace

Command check_command() {
  return Command::of<CheckCommand, describe, perform>({
      .summary = "say whether this host can run a bundle, and why not",
      .arguments = "[BUNDLE]",
      .description =
          "Prints one line for each thing that run needs: \"yes\" if run gets past it, \"no\" if run is sure to fail "
          "there, \"unknown\" if only run shows it, and \"warning\" for what works but may not be meant, such as a "
          "misspelt property or a container that can reach the host. With a place in config.json, and what to "
          "change.\n\n"
          "Without BUNDLE it says what the host offers this user.\n\n"
          "It tries the launch up to the program's exec, in namespaces that end with it, over an overlay in memory, "
          "and with the host's mounts read-only; the kernel stops it before the program's first instruction. Nothing "
          "stays: it runs no hook, makes no cgroup, and writes no file. Colours are for a terminal only, and not with "
          "NO_COLOR.",
      .examples = {{{"minirun check bundle/", "whether the bundle would run here"},
                    {"minirun check --format json", "what this host offers, for programs"}}},
      .exit_statuses = kCheckStatuses,
  });
}

}  // namespace minirun
