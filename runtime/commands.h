// The commands: each takes its part of the command line and returns the exit status and what is to be told.
#pragma once

#include <optional>
#include <string>

#include "runtime/cli.h"
#include "sys/result.h"

namespace minirun {

struct Outcome {
  int status = 0;
  std::string out;             // for stdout
  std::string note;            // for stderr as it is: a line that explains an end which is no failure of minirun
  std::optional<Error> error;  // a failure with an exit status of its own
};

// The workload's exit status, 128 + its signal, 127 or 126 when it could not be executed; with --detach 0.
Result<Outcome> run_command(const GlobalOptions& global, const RunCommand& command);
Result<Outcome> plan_command(const GlobalOptions& global, const PlanCommand& command);
Result<Outcome> delete_command(const GlobalOptions& global, const DeleteCommand& command);
Result<Outcome> kill_command(const GlobalOptions& global, const KillCommand& command);
Result<Outcome> state_command(const GlobalOptions& global, const StateCommand& command);
Result<Outcome> list_command(const GlobalOptions& global, const ListCommand& command);

}  // namespace minirun
