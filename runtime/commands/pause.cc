// SPDX-License-Identifier: Apache-2.0
// `minirun pause` and `minirun resume`.
#include <poll.h>

#include "cgroups/freezer.h"
#include "runtime/commands/command.h"
#include "runtime/container/container.h"

namespace minirun {
namespace {

constexpr std::chrono::seconds kFreezeTime{10};

Cgroup::Deadline deadline() {
  return std::chrono::steady_clock::now() + kFreezeTime;
}

Result<void> pause_container(const GlobalOptions& global, const std::string& id) {
  Container container = TRY(find_locked(global.root, id));
  if (container.status == "paused") return fail(ErrorKind::state, "container not running: it is paused already");
  Cgroup cgroup = TRY(open_running_cgroup(container));
  TRY(freeze(cgroup, deadline()));
  pollfd ended{container.init.get(), POLLIN, 0};
  if (poll(&ended, 1, 0) == 0) return {};
  TRY(thaw(cgroup, deadline()));  // what is left of it is to be found as at any other end
  return fail(ErrorKind::state, "container not running: it has just ended");
}

Result<void> resume_container(const GlobalOptions& global, const std::string& id) {
  Container container = TRY(find_locked(global.root, id));
  if (container.status != "paused") return fail(ErrorKind::state, "container not paused: {}", container.status);
  return thaw(TRY(open_running_cgroup(container)), deadline());
}

}  // namespace

Result<Outcome> perform(const GlobalOptions& global, const PauseCommand& command) {
  TRY(pause_container(global, command.id));
  return Outcome{};
}

Result<Outcome> perform(const GlobalOptions& global, const ResumeCommand& command) {
  TRY(resume_container(global, command.id));
  return Outcome{};
}

}  // namespace minirun
