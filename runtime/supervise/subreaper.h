// SPDX-License-Identifier: Apache-2.0
// Finds and kills every descendant of a third-party program, even one that daemonizes.
#pragma once

#include <sys/types.h>

#include <vector>

#include "sys/result.h"

namespace minirun {

// While it lives, orphaned descendants become children of this process, not of init (PR_SET_CHILD_SUBREAPER, see
// prctl(2)), so processes that a child started can be found. The process must have one thread.
class Subreaper {
 public:
  Subreaper();
  Subreaper(const Subreaper&) = delete;
  Subreaper& operator=(const Subreaper&) = delete;
  ~Subreaper();

  // Check it before the child is started: only the earlier list shows which children are new.
  Result<void> ready() const { return before_.ok() ? Result<void>() : Result<void>(before_.error()); }

  // Exempts the present children that are not among `made` from kill_new().
  Result<void> spare_others(const std::vector<pid_t>& made);

  // Kills new children, and theirs as they arrive, until none is left; at most 10 s. False: some remain.
  bool kill_new() const;

 private:
  Result<std::vector<pid_t>> before_;
  int was_ = 0;
};

}  // namespace minirun
