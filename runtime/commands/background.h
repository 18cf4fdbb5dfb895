// SPDX-License-Identifier: Apache-2.0
// A command that answers its caller and goes on, in a process of its own.
#pragma once

#include <functional>
#include <string>

#include "runtime/commands/command.h"
#include "runtime/commands/global_options.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// The process that goes on. It is in a session of its own. Until it answers it has the caller's standard streams and
// those of its descriptors that the command is about; signals that ask the first process to end are its own, and so is
// the first process's death. From its answer on it holds nothing of the caller's.
class Background {
 public:
  // In the new process `work` is the rest of the command; there the result is that of `work`, which main prints as
  // usual, before or after the answer. In the first process it is the answer, or the exit status of a process that has
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
