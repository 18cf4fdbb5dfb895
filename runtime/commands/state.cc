// SPDX-License-Identifier: Apache-2.0
// `minirun state`: prints the state of one container.
#include "runtime/commands/command.h"
#include "runtime/container/container.h"
#include "runtime/text/json_writer.h"

namespace minirun {
namespace {

struct StateCommand {
  std::string id;
};

void describe(Options& options, StateCommand& command) {
  options.id(command.id);
}

Result<Outcome> perform(const GlobalOptions& global, const StateCommand& command) {
  Container found = TRY(find_container(global.root, command.id));
  JsonWriter json(2);
  append_state(json, found.record, status_name(found.status), found.init ? found.record.init.pid : 0);
  return Outcome{0, json.take() + "\n"};
}

}  // namespace

Command state_command() {
  return Command::of<StateCommand, describe, perform>({
      .summary = "print a container's state as JSON",
      .arguments = "ID",
      .description =
          "Prints the container's state as the runtime-spec defines it: ociVersion, id, status (creating, created, "
          "running, paused or stopped), pid, bundle, annotations.",
      .examples = {{{"minirun state web1", "print the state of web1"},
                    {"minirun --root /tmp/state state web1",
                     "the same for a container whose state is below /tmp/state"}}},
  });
}

}  // namespace minirun
