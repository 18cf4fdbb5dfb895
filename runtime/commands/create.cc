// SPDX-License-Identifier: Apache-2.0
// `minirun create`: everything but the workload.
#include "runtime/launch/create.h"

#include "runtime/commands/command.h"
#include "runtime/commands/launch_options.h"
#include "runtime/launch/rootless.h"

namespace minirun {
namespace {

struct CreateCommand {
  LaunchOptions launch;
  std::string id;
  bool init = false;

  uint64_t descriptors() const { return descriptors_of(launch); }
};

void describe(Options& options, CreateCommand& command) {
  options.flag("--init", command.init, "run minirun's init as PID 1, with the workload as its child");
  describe(options, command.launch);
  options.ignored_flag("--keep", "accepted for compatibility, ignored: a created container stays until it is deleted");
  options.new_id(command.id);
}

Result<Outcome> perform(const GlobalOptions& global, const CreateCommand& command) {
  TRY(check_id(command.id));
  TRY(check_launch_options(command.launch));
  bool entered = TRY(enter_user_namespace(command.launch.bundle));  // before anything is opened
  Supervisor supervisor = TRY(Supervisor::begin());  // before the first side effect: signals are held from here on
  UniqueFd state_root = TRY(open_state_root(global.root, true));
  LaunchRequest request;
  request.options = command.launch;
  request.id = command.id;
  request.create = true;
  request.init = command.init;
  request.entered = entered;
  Prepared prepared = TRY(prepare_launch(request, state_root.get()));
  Hierarchy hierarchy = TRY(find_hierarchy());
  StateDirectory state = TRY(StateDirectory::claim(state_root.get(), prepared.id));
  report_warnings(prepared);
  Creation creation(command.launch, prepared, hierarchy, std::move(state), std::move(supervisor),
                    cgroup_driver(global));
  TRY(creation.launch(false));
  creation.keep();
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
