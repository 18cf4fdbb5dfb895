// SPDX-License-Identifier: Apache-2.0
// `minirun features`.
#include "runtime/commands/command.h"
#include "runtime/commands/feature_list.h"

namespace minirun {

Result<Outcome> perform(const GlobalOptions&, const FeaturesCommand&) {
  return Outcome{0, features_document()};
}

}  // namespace minirun
