// SPDX-License-Identifier: Apache-2.0
// `minirun create`: makes a container that waits for start.
#include "runtime/launch/create.h"

#include "runtime/commands/command.h"
#include "runtime/commands/launch_options.h"
#include "runtime/commands/timing_option.h"
#include "runtime/text/stopwatch.h"

namespace minirun {
namespace {

struct CreateCommand {
  LaunchOptions launch;
  std::string id;
  bool init = false;
  TimingOption timing;

  Descriptors descriptors() const { return descriptors_of(launch); }
};

void describe(Options& options, CreateCommand& command) {
  options.flag("--init", command.init, "run minirun's init as PID 1, with the workload as its child");
  describe_strict(options, command.launch.strict);
  describe(options, command.launch);
  options.ignored_flag("--keep", "accepted for compatibility, ignored: a created container stays until it is deleted");
  describe_overlay(options, command.launch);
  describe_timing(options, command.timing);
  options.new_id(command.id);
}

Result<Outcome> perform(const GlobalOptions& global, const CreateCommand& command) {
  TimedCommand timed(command.timing, "create", command.id);
  LaunchRequest request{.options = command.launch, .id = command.id, .create = true, .init = command.init};
  Launch launch = TRY(Launch::prepare(std::move(request), global.root, cgroup_driver(global)));
  OwnedContainer container = TRY(launch.create());
  TRY(launch.start(*container));
  end_setup();
  container->detach();
  return Outcome{};
}

}  // namespace

Command create_command() {
  return Command::of<CreateCommand, describe, perform>({
      .summary = "make a container that waits for start",
      .arguments = "ID",
      .description =
          "Makes the container up to the moment before its workload: namespaces, mounts, cgroup. minirun start then "
          "runs the workload. Only the container's first process stays behind, and it waits. Engines pass --pid-file "
          "and --console-socket.",
      .examples = {{{"minirun create --bundle bundle/ web1", "make web1, to be started later"},
                    {"minirun create -b bundle/ --console-socket /run/tty.sock web1",
                     "send the terminal to the listener at /run/tty.sock"}}},
      .exit_statuses = kLaunchStatuses,
  });
}

}  // namespace minirun
