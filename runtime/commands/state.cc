// SPDX-License-Identifier: Apache-2.0
// `minirun state`: what is known of one container.
#include "runtime/commands/command.h"
#include "runtime/container/container.h"
#include "runtime/text/json_writer.h"

namespace minirun {

Result<Outcome> perform(const GlobalOptions& global, const StateCommand& command) {
  Container found = TRY(find_container(global.root, command.id));
  JsonWriter json(2);
  append_state(json, found.record, found.status, found.init ? found.record.init.pid : 0);
  return Outcome{0, json.take() + "\n"};
}

}  // namespace minirun
