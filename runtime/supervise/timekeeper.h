// SPDX-License-Identifier: Apache-2.0
// Ends a workload whose time is over: its first process gets the stop signal, and after the grace everything left in
// its cgroup is killed. cgroup.kill reaches processes that ignore signals, fork, daemonize, or have stopped or frozen
// themselves; without a cgroup the workload has its own pid namespace, which ends with its first process.
#pragma once

#include "cgroups/cgroup.h"
#include "runtime/supervise/deadline.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

class Timekeeper {
 public:
  Timekeeper() = default;  // no limit: every call does nothing
  // cgroup: the workload's, before its birth; earlier use of CPU time in it does not count. Its files stay open, so
  // that acting on the deadline needs no descriptor.
  static Result<Timekeeper> start(const Deadline& deadline, const Cgroup& cgroup);

  explicit operator bool() const { return deadline_.any(); }
  // When turn() is due, as a timeout for poll(2).
  int patience_ms() const;
  // Checks the clock and the counter, and acts. pidfd: the workload's first process. An error: the workload outlived
  // its SIGKILL, or its time cannot be read.
  Result<void> turn(int pidfd);

  // Another process has killed it: the watchdog does so if this process was stopped when the time ran out.
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
