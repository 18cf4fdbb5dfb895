// SPDX-License-Identifier: Apache-2.0
// `minirun resume`: lets a paused container continue.
#include <chrono>

#include "cgroups/freezer.h"
#include "runtime/commands/command.h"
#include "runtime/container/container.h"

namespace minirun {
namespace {

struct ResumeCommand {
  std::string id;
};

void describe(Options& options, ResumeCommand& command) {
  options.id(command.id);
}

Result<Outcome> perform(const GlobalOptions& global, const ResumeCommand& command) {
  Container container = TRY(find_locked(global.root, command.id));
  if (container.status != ContainerStatus::paused)
    return fail(ErrorKind::state, "container not paused: {}", status_name(container.status));
  Cgroup cgroup = TRY(open_running_cgroup(container));
  TRY(thaw(cgroup, std::chrono::steady_clock::now() + kFreezeTime));
  return Outcome{};
}

}  // namespace

Command resume_command() {
  return Command::of<ResumeCommand, describe, perform>({
      .summary = "let a paused container continue",
      .arguments = "ID",
      .description = "Lets a paused container continue.",
      .examples = {{{"minirun resume web1", "continue web1"},
                    {"minirun --systemd-cgroup resume web1", "the same; engines pass their options to every command"}}},
  });
}

}  // namespace minirun
