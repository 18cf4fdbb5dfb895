// SPDX-License-Identifier: Apache-2.0
// The watchdog: a small helper process that cleans up when minirun is killed before it can do so itself (SIGKILL, the
// OOM killer). It gives the caller's terminal back, and kills a container that has no pid namespace or no init of
// minirun's (with both, the parent-death signal of the init reaches everything).
//
// It is a fork of minirun in a process group of its own, so that neither the terminal's keys nor a kill of minirun's
// group reach it, with every signal blocked, and it holds nothing but the terminal, cgroup.kill and the reading end of
// a pipe. End of file on the pipe means that minirun is gone. In the normal case minirun ends it by SIGKILL, which
// works at once even on a stopped process.
#pragma once

#include <sys/types.h>
#include <termios.h>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

class Watchdog {
 public:
  Watchdog() = default;  // no watchdog: every call does nothing
  // terminal: what to give back with the settings `saved`, or -1. cgroup_kill: an open cgroup.kill, or -1. Both are
  // borrowed; the watchdog has copies of its own.
  static Result<Watchdog> start(int terminal, const termios& saved, int cgroup_kill);
  Watchdog(Watchdog&& other) noexcept;
  Watchdog& operator=(Watchdog&& other) noexcept;
  ~Watchdog() { stop(); }

  pid_t pid() const { return pid_; }

  // Whether to restore the terminal; initially no. Say yes before the settings change.
  void expect_raw(bool raw);
  // Ends and reaps it. Give the terminal back first.
  void stop();

 private:
  pid_t pid_ = -1;
  UniqueFd pipe_;
};

}  // namespace minirun
