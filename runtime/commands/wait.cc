// SPDX-License-Identifier: Apache-2.0
// `minirun wait`: until a container ends.
#include <fmt/format.h>

#include <cerrno>

#include "runtime/commands/command.h"
#include "runtime/container/container.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/text/log.h"

namespace minirun {
Result<Outcome> perform(const GlobalOptions& global, const WaitCommand& command) {
  Container found = TRY(find_container(global.root, command.id));
  if (found.record.exit_status) return Outcome{*found.record.exit_status};
  if (!found.init) {
    auto zombie = open_init_or_zombie(found.record);
    if (!zombie.ok() && zombie.error().code != ENOENT) return zombie.error();
    if (!zombie.ok() && found.status == "stopped")
      return fail(ErrorKind::state,
                  "container not running, and its exit status was not recorded (run --keep records it)");
    if (!zombie.ok()) return fail(ErrorKind::state, "container not running: {}", found.status);
    found.init = std::move(zombie).value();
  }
  auto status = TRY(await_exit(found.init.get(), found.record.init.pid));
  if (!status)
    return fail(ErrorKind::host,
                "the container has ended, but this kernel does not report its exit status (linux 6.15 and newer do)");
  int exit_status = shell_status(*status);
  auto remembered = remember_exit(found, exit_status);
  if (!remembered.ok())
    report_line(
        fmt::format("minirun: warning: wait {}: record the exit status: {}", command.id, remembered.error().text()));
  return Outcome{exit_status};
}

}  // namespace minirun
