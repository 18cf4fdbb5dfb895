// SPDX-License-Identifier: Apache-2.0
// Ends a workload whose time is over: its first process gets the stop signal, and what is left after the grace is
// killed with everything in its cgroup. cgroup.kill reaches what ignores signals, forks, detaches itself, or stopped or
// froze itself; without a cgroup the workload has a pid namespace of its own, which ends with its first process.
#pragma once

#include "cgroups/cgroup.h"
#include "runtime/supervise/deadline.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

class Timekeeper {
 public:
  Timekeeper() = default;  // no limit: every call does nothing
  // cgroup: of the workload, before its birth; what others used in it earlier does not count. Its files stay open, so
  // that the end of the time needs no descriptor.
  static Result<Timekeeper> start(const Deadline& deadline, const Cgroup& cgroup);

  explicit operator bool() const { return deadline_.any(); }
  // When turn() has something to do, as of poll(2).
  int patience_ms() const;
  // Looks at the clock and the counter, and does what is due. pidfd: of the workload's first process. An error: the
  // workload outlived its SIGKILL, or its time cannot be read.
  Result<void> turn(int pidfd);

  // It was killed by another process. Its watchdog does that where this process was stopped as the time ran out.
  void was_killed();

  TimeLimit limit() const { return limit_; }  // that was reached
  bool killed() const { return stage_ == Stage::killed; }

 private:
  using Clock = Deadline::Clock;
  enum class Stage : uint8_t { running, asked, killed };

  Result<TimeLimit> look();
  void ask(int pidfd);
  void kill(int pidfd);

  Deadline deadline_;
  UniqueFd cpu_stat_;
  UniqueFd kill_;
  UniqueFd freeze_;
  uint64_t cpu_before_us_ = 0;
  Clock::time_point next_look_ = Clock::time_point::max();
  TimeLimit limit_ = TimeLimit::none;
  Stage stage_ = Stage::running;
};

}  // namespace minirun
