// SPDX-License-Identifier: Apache-2.0
// The watchdog: a small helper process that cleans up when minirun is killed before it can do so itself (SIGKILL, the
// OOM killer). It restores the caller's terminal, and kills a container without its own pid namespace or minirun's init
// (with both, the init's parent-death signal ends everything). Of a workload with a deadline it kills the cgroup in any
// case, and also when minirun itself is stopped, or stuck, as the deadline passes.
//
// It is a fork of minirun in its own process group, so that neither the terminal's keys nor a kill of minirun's group
// reach it. It has every signal blocked, and holds only the terminal, cgroup.kill and the reading end of a pipe. End of
// file on the pipe means that minirun is gone. Normally minirun ends it by SIGKILL, which works at once even on a
// stopped process.
#pragma once

#include <sys/types.h>
#include <termios.h>

#include <chrono>
#include <optional>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

class Watchdog {
 public:
  Watchdog() = default;  // no watchdog: every call does nothing
  struct Guarded {
    int terminal = -1;  // what to give back with the settings `saved`
    const termios* saved = nullptr;
    int cgroup_kill = -1;                                        // an open cgroup.kill
    int pidfd = -1;                                              // of a process to kill
    std::optional<std::chrono::steady_clock::time_point> end{};  // when to kill while minirun lives
  };
  // What is open is borrowed; the watchdog has copies of its own.
  static Result<Watchdog> start(const Guarded& guarded);
  Watchdog(Watchdog&& other) noexcept;
  Watchdog& operator=(Watchdog&& other) noexcept;
  ~Watchdog() { stop(); }

  pid_t pid() const { return pid_; }

  // Whether to restore the terminal; initially no. Say yes before the settings change.
  void expect_raw(bool raw);
  // Ends and reaps it. Restore the terminal first.
  void stop();

 private:
  pid_t pid_ = -1;
  UniqueFd pipe_;
};

}  // namespace minirun
