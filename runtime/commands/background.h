// SPDX-License-Identifier: Apache-2.0
// A command that answers its caller and continues in a new process.
#pragma once

#include <functional>
#include <string>

#include "runtime/commands/command.h"
#include "runtime/commands/global_options.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// The process that continues, in a new session. Until it answers it has the caller's standard streams and the
// descriptors that the command uses; it gets the first process's abort requests, and one when that process dies. After
// its answer it holds nothing of the caller's.
class Background {
 public:
  // In the new process this runs `work`, the rest of the command, and returns its result, which main prints as usual,
  // before or after the answer. In the first process it returns the answer, or the exit status of a process that has
  // ended without one.
  static Result<Outcome> go_on(const GlobalOptions& global, const Descriptors& descriptors,
                               const std::function<Result<Outcome>(Background&)>& work);

  // The command has succeeded: the first process prints the text and ends.
  Result<void> answer(const std::string& out);

 private:
  Background(UniqueFd answer, const Descriptors& descriptors) : answer_(std::move(answer)), descriptors_(descriptors) {}

  UniqueFd answer_;
  const Descriptors& descriptors_;
};

}  // namespace minirun
