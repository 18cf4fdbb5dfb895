// `minirun features`.
#include "runtime/commands.h"
#include "runtime/features.h"

namespace minirun {

Result<Outcome> perform(const GlobalOptions&, const FeaturesCommand&) {
  return Outcome{0, features_document(), "", {}};
}

}  // namespace minirun
