// SPDX-License-Identifier: Apache-2.0
// Foreground supervision: minirun between its caller and the container, from the first side effect to the end.
//
//   auto supervisor = TRY(Supervisor::begin());              // signals are held from here on
//   TRY(supervisor.start_watchdog(terminal, cgroup_kill));      // before clone; cgroup_kill: see watchdog.h
//   … clone3 …
//   … follow() of launch/gates.h; INT, TERM, HUP, QUIT abort …
//   if (… Message::terminal) TRY(supervisor.attach_terminal(std::move(received.fd)));
//   … Message::running, or end of file without a resident init …
//   Ended ended = TRY(supervisor.run(pid, pidfd, control));  // signals that were held are delivered now
//
// The destructor always restores the terminal and ends the watchdog.
#pragma once

#include <optional>

#include "runtime/supervise/console.h"
#include "runtime/supervise/notify_relay.h"
#include "runtime/supervise/signals.h"
#include "runtime/supervise/terminal_relay.h"
#include "runtime/supervise/timekeeper.h"
#include "runtime/supervise/watchdog.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct Ended {
  int wait_status = 0;       // as of waitpid(2): the workload's when from_init or when it was PID 1, else the init's
  bool from_init = false;    // the init sent the workload's own wait status before it ended
  bool init_failed = false;  // a step of the init failed after `running`; it waits until the control socket closes, the
                             // report says why, and wait_status is meaningless
  int last_forwarded_signal = 0;  // by this process; 0: none
  uint32_t sender_pid = 0;        // of that signal: its sender, in this process's pid namespace
  uint32_t sender_uid = 0;
  int last_of_init = 0;               // the last signal that the init passed on, as it says; 0: none, or no init
  TimeLimit limit = TimeLimit::none;  // the limit for which the workload was ended
  bool killed_for_it = false;         // it did not end on its stop signal
  int output_error = 0;               // errno value that ended the copying from the terminal to stdout; 0: none
};

class Supervisor {
 public:
  // Blocks all signals of the process (see Signals::block).
  static Result<Supervisor> begin();

  Signals& signals() { return signals_; }

  // Call it before the watchdog, and before the workload's birth in this cgroup. From here on an abort request may be
  // kTimeIsOver; during run() the workload is ended as timekeeper.h says.
  Result<void> keep_time(const Deadline& deadline, const Cgroup& cgroup);

  // Starts the watchdog if it has something to guard: with `terminal` the caller's stdin, when that is a
  // terminal, and with cgroup_kill or pidfd >= 0 (borrowed) the container. Else does nothing.
  Result<void> start_watchdog(bool terminal, int cgroup_kill, int pidfd = -1);
  pid_t watchdog() const { return watchdog_.pid(); }  // -1: none

  // master: the container's terminal, as the init sent it. Copies the window size, sets the caller's terminal to raw
  // mode (after start_watchdog) and makes run() relay.
  Result<void> attach_terminal(UniqueFd master);

  // run() relays the workload's notifications.
  void attach_notify(NotifyRelay relay) { notify_.emplace(std::move(relay)); }

  // Until the container's init ends: forwards signals to it, each once and with its value; relays the terminal; follows
  // its size. Reaps the init, which must be a child of this process, and restores the terminal. control: -1 for a
  // process without a socket.
  Result<Ended> run(pid_t pid, int pidfd, int control);

 private:
  explicit Supervisor(Signals signals) : signals_(std::move(signals)) {}

  Result<void> take_terminal();
  void copy_window_size();
  void forward_signals(int pidfd);
  bool prepare_for(const Signal& signal);
  int patience_ms() const;
  Result<bool> turn(int pidfd, int control);
  Result<void> read_control(int control);
  void relay_notifications();
  void reap_orphans(pid_t container);

  Signals signals_;
  Timekeeper timekeeper_;
  std::optional<Deadline::Clock::time_point> last_moment_;  // by which no process of the workload should be left
  bool watchdog_lost_ = false;
  Watchdog watchdog_;  // before terminal_: it ends after the terminal is restored
  RawTerminal terminal_;
  std::optional<Relay> relay_;
  std::optional<NotifyRelay> notify_;
  Ended ended_;
  bool control_open_ = false;
  bool background_ = false;        // the shell has the terminal at present
  bool receiver_is_full_ = false;  // its queue of signals: try again soon
};

}  // namespace minirun
