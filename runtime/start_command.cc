// `minirun start`: the workload of a created container. It reports itself when the workload cannot be executed.
#include <fcntl.h>

#include "runtime/bundle.h"
#include "runtime/commands.h"
#include "runtime/container.h"
#include "runtime/launch.h"
#include "runtime/start_socket.h"

namespace minirun {
namespace {

Result<void> check_status(const Container& container) {
  const std::string& status = container.status;
  if (status == "stopped") return fail(0, "cannot start a container that has stopped");
  if (status == "creating") return fail(0, "cannot start a container that is being created");
  if (status == "paused") return fail(0, "cannot start a paused container");
  if (!waits_for_start(container.state.fd())) return fail(0, "cannot start an already running container");
  return {};
}

Result<Outcome> start(Container container) {
  TRY(check_status(container));
  std::string text = TRY(container.state.read_config());
  Bundle config = TRY(parse_config(text));
  if (!config.spec.process) return fail(0, "config.json has no /process: there is nothing to start");
  bool none = container.record.cgroup.path.empty();
  Cgroup cgroup = none ? Cgroup::none() : TRY(open_cgroup(container.record));
  Signals signals = TRY(Signals::block());
  StartConnection connection = TRY(connect_for_start(container.state.fd()));
  Launched launched = Launched::adopt(Child{container.record.init.pid, std::move(container.init),
                                            std::move(connection.control), std::move(connection.memory)});
  TRY(release(launched));
  LaunchEvents events;
  auto failure = await_start(launched, *config.spec.process, container.record.resident_init, cgroup, signals);
  remove_start_socket(container.state.fd());
  if (failure) return Outcome{failure->exit_status, "", "", failure->error};
  return Outcome{};
}

}  // namespace

Result<Outcome> perform(const GlobalOptions& global, const StartCommand& command) {
  auto container = find_locked(global, command.id);
  if (!container.ok()) return named("start", command.id, container.error());
  auto outcome = start(std::move(container).value());
  if (!outcome.ok()) return wrap(outcome.error(), "start " + command.id);
  if (outcome->error) outcome->error = wrap(*outcome->error, "start " + command.id);
  return outcome;
}

}  // namespace minirun
