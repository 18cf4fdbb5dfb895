// Commands that are being built.
#include "runtime/commands.h"

namespace minirun {

Result<Outcome> perform(const GlobalOptions&, const CheckpointCommand&) {
  return fail(0, "not built yet");
}

Result<Outcome> perform(const GlobalOptions&, const RestoreCommand&) {
  return fail(0, "not built yet");
}

}  // namespace minirun
