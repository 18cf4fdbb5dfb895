// SPDX-License-Identifier: Apache-2.0
// Whether a container is still being made. Its first process is already recorded, so that `kill` and `delete --force`
// reach it, but it may still be in the host's tree or in minirun's pid namespace, with more capabilities than the
// container's. No other command may enter it.
#pragma once

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// A file in the state directory that the working minirun locks (flock(2)): the lock ends with that minirun.
class Unfinished {
 public:
  static Result<Unfinished> begin(int state_fd);
  // Call it when the first process has given up everything that the workload does not have.
  Result<void> finish(int state_fd);

 private:
  explicit Unfinished(UniqueFd lock) : lock_(std::move(lock)) {}
  UniqueFd lock_;
};

Result<bool> is_unfinished(int state_fd);

// Whether finish() was never called: the workload has not run, or minirun was killed before it knew.
Result<bool> never_finished(int state_fd);

}  // namespace minirun
