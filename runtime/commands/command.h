// SPDX-License-Identifier: Apache-2.0
// The commands: each takes its part of the command line, and returns the exit status and what to print.
#pragma once

#include <string>

#include "runtime/commands/options.h"
#include "sys/result.h"

namespace minirun {

struct Outcome {
  int status = 0;
  std::string out{};   // for stdout
  std::string note{};  // for stderr as it is: a line that explains an end which is no failure of minirun
};

// Errors are without the name of the command and the id, which main puts before them; but run, which may make the id
// up, does that itself.
// The workload's exit status, 128 + its signal, 127 or 126 when it could not be executed; with --detach 0.
Result<Outcome> perform(const GlobalOptions& global, const RunCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const CreateCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const StartCommand& command);
// As run; 255 for a failure of minirun itself.
Result<Outcome> perform(const GlobalOptions& global, const ExecCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const PlanCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const DeleteCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const KillCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const StopCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const WaitCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const StateCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const ListCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const PsCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const PauseCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const ResumeCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const UpdateCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const EventsCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const SpecCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const FeaturesCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const CheckpointCommand& command);
Result<Outcome> perform(const GlobalOptions& global, const RestoreCommand& command);

}  // namespace minirun
