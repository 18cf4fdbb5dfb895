// SPDX-License-Identifier: Apache-2.0
// `minirun features`.
#include "runtime/commands/command.h"
#include "runtime/commands/feature_list.h"

namespace minirun {
namespace {

struct FeaturesCommand {};

void describe(Options&, FeaturesCommand&) {}

Result<Outcome> perform(const GlobalOptions&, const FeaturesCommand&) {
  return Outcome{0, features_document()};
}

}  // namespace

Command features_command() {
  return Command::of<FeaturesCommand, describe, perform>({
      .summary = "print what this minirun supports, as JSON",
      .description = "Prints what this minirun supports, in the JSON of the runtime-spec's features.md.",
      .examples = {{{"minirun features", "namespaces, mount options, capabilities, seccomp and more"},
                    {"minirun --log features.log features", "the same, with errors in features.log too"}}},
  });
}

}  // namespace minirun
