// SPDX-License-Identifier: Apache-2.0
// `minirun pause`: freezes all processes of a container.
#include <poll.h>

#include <chrono>

#include "cgroups/freezer.h"
#include "runtime/commands/command.h"
#include "runtime/container/container.h"

namespace minirun {
namespace {

struct PauseCommand {
  std::string id;
};

void describe(Options& options, PauseCommand& command) {
  options.id(command.id);
}

Result<void> pause_container(const GlobalOptions& global, const std::string& id) {
  Container container = TRY(find_locked(global.root, id));
  if (container.status == ContainerStatus::paused)
    return fail(ErrorKind::state, "container not running: it is paused already");
  Cgroup cgroup = TRY(open_running_cgroup(container));
  TRY(freeze(cgroup, std::chrono::steady_clock::now() + kFreezeTime));
  pollfd ended{container.init.get(), POLLIN, 0};
  if (poll(&ended, 1, 0) == 0) return {};
  TRY(thaw(cgroup,
           std::chrono::steady_clock::now() + kFreezeTime));  // so that its end looks like any other
  return fail(ErrorKind::state, "container not running: it has just ended");
}

Result<Outcome> perform(const GlobalOptions& global, const PauseCommand& command) {
  TRY(pause_container(global, command.id));
  return Outcome{};
}

}  // namespace

Command pause_command() {
  return Command::of<PauseCommand, describe, perform>({
      .summary = "freeze all processes of a container",
      .arguments = "ID",
      .description = "Freezes all processes of the container through its cgroup.",
      .examples = {{{"minirun pause web1", "freeze web1 until resume"},
                    {"minirun --systemd-cgroup pause web1", "the same; engines pass their options to every command"}}},
  });
}

}  // namespace minirun
