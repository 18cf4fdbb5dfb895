// SPDX-License-Identifier: Apache-2.0
// `minirun resume`: lets a paused container continue.
#include <chrono>

#include "cgroups/freezer.h"
#include "runtime/commands/command.h"
#include "runtime/container/container.h"

namespace minirun {

Result<Outcome> perform(const GlobalOptions& global, const ResumeCommand& command) {
  Container container = TRY(find_locked(global.root, command.id));
  if (container.status != "paused") return fail(ErrorKind::state, "container not paused: {}", container.status);
  TRY(thaw(TRY(open_running_cgroup(container)), std::chrono::steady_clock::now() + kFreezeTime));
  return Outcome{};
}

}  // namespace minirun
