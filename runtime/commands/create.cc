// SPDX-License-Identifier: Apache-2.0
// `minirun create`: everything but the workload.
#include "runtime/launch/create.h"

#include "runtime/commands/command.h"
#include "runtime/launch/rootless.h"

namespace minirun {

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

}  // namespace minirun
