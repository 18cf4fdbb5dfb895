// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/supervisor.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "runtime/diagnosis/exit_status.h"
#include "runtime/supervise/init_channel.h"
#include "runtime/text/log.h"

namespace minirun {
namespace {

constexpr int kRetryMs = 10;       // a full queue of signals: the receiver must run first
constexpr int kMostMessages = 16;  // of the init at once; it sends at most two
// The watchdog acts only where minirun has not.
constexpr std::chrono::seconds kSlack{2};
constexpr int kBackgroundMs = 250;  // no event reports that `fg` moved a running job to the foreground

}  // namespace

Result<Supervisor> Supervisor::begin() {
  return Supervisor(TRY(Signals::block()));
}

Result<void> Supervisor::keep_time(const Deadline& deadline, const Cgroup& cgroup) {
  if (!deadline.any()) return {};
  timekeeper_ = TRY(Timekeeper::start(deadline, cgroup));
  if (deadline.end) last_moment_ = *deadline.end + deadline.grace + kSlack;
  return {};
}

Result<void> Supervisor::start_watchdog(bool terminal, int cgroup_kill, int pidfd) {
  if (terminal && isatty(STDIN_FILENO) != 0) terminal_ = TRY(RawTerminal::open(STDIN_FILENO));
  if (!terminal_ && cgroup_kill < 0 && pidfd < 0) return {};
  watchdog_ = TRY(Watchdog::start({terminal_.fd(), &terminal_.saved(), cgroup_kill, pidfd, last_moment_}));
  return {};
}

Result<void> Supervisor::attach_terminal(UniqueFd master) {
  relay_ = TRY(Relay::start(std::move(master), STDIN_FILENO, STDOUT_FILENO));
  copy_window_size();
  return take_terminal();
}

Result<void> Supervisor::take_terminal() {
  if (!terminal_) return {};
  background_ = !terminal_.is_foreground();
  if (background_) terminal_.forget_raw();
  watchdog_.expect_raw(!background_);
  return background_ ? Result<void>() : terminal_.make_raw();
}

void Supervisor::copy_window_size() {
  auto size = caller_window_size();
  // Fails only when the container's terminal is gone.
  if (relay_ && size) (void)ioctl(relay_->master(), TIOCSWINSZ, &*size);
}

// Handles a signal's effect on minirun itself. False: it must not be forwarded.
bool Supervisor::prepare_for(const Signal& signal) {
  if (!relay_) return true;
  if (signal.number != SIGWINCH && signal.number != SIGCONT) return true;
  // The shell had the terminal while minirun was stopped. If it is gone, reading from it fails.
  if (signal.number == SIGCONT) (void)take_terminal();
  copy_window_size();  // the kernel then sends the container a SIGWINCH
  return signal.number == SIGCONT;
}

void Supervisor::forward_signals(int pidfd) {
  receiver_is_full_ = false;
  for (; !signals_.empty(); signals_.pop()) {
    const Signal& signal = signals_.front();
    if (!prepare_for(signal)) continue;
    int error = pass_on(pidfd, signal);
    if (error == EAGAIN) {
      receiver_is_full_ = true;
      return;
    }
    // Otherwise the process has ended (ESRCH), or minirun may not signal it (EPERM: a workload that changed its user,
    // without CAP_KILL): it cannot be reported, as the sender's kill(2) has long returned.
    if (error != 0) continue;
    ended_.last_forwarded_signal = signal.number;
    ended_.sender_pid = signal.sender_pid;
    ended_.sender_uid = signal.sender_uid;
  }
}

int Supervisor::patience_ms() const {
  if (receiver_is_full_) return kRetryMs;
  int least = -1;
  auto consider = [&](int patience) {
    if (patience >= 0) least = least < 0 ? patience : std::min(least, patience);
  };
  consider(timekeeper_.patience_ms());
  if (notify_) consider(notify_->patience_ms());
  if (relay_) consider(relay_->patience_ms());
  if (relay_ && background_) consider(kBackgroundMs);
  return least;
}

// A container with CAP_SYS_PTRACE can make its init send forever, so signals and the terminal get their turn in
// between.
Result<void> Supervisor::read_control(int control) {
  for (int i = 0; i < kMostMessages; i++) {
    auto received = TRY(try_receive(control));
    if (!received) return {};
    if (received->kind == Received::Kind::end_of_file) {
      control_open_ = false;
      return {};
    }
    if (received->envelope.message == Message::exited) {
      ended_.from_init = true;
      ended_.wait_status = received->envelope.status & kWaitStatusBits;
      ended_.last_of_init = received->envelope.status >> kLastSignalShift & kLastSignalBits;
    }
    if (received->envelope.message == Message::failed) ended_.init_failed = true;
  }
  return {};
}

// The owner of the host's socket is gone, which is no reason to end the container.
void Supervisor::relay_notifications() {
  if (!notify_) return;
  auto turned = notify_->turn();
  if (turned.ok()) return;
  notify_.reset();  // from here on the workload's senders also get errors
  report_line("minirun: warning: " + turned.error().text());
}

// Processes that hooks left behind are children of this process (runtime/supervise/subreaper.h); SIGCHLD reports their
// end.
void Supervisor::reap_orphans(pid_t container) {
  for (;;) {
    siginfo_t ended{};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) < 0) return;  // ECHILD
    if (ended.si_pid == 0 || ended.si_pid == container) return;
    if (ended.si_pid == watchdog_.pid()) {
      watchdog_.stop();  // it was killed
      watchdog_lost_ = true;
    } else if (waitid(P_PID, static_cast<id_t>(ended.si_pid), nullptr, WEXITED | WNOHANG) < 0)
      return;
  }
}

// Waits once and relays what has arrived. False when the container's init has ended.
Result<bool> Supervisor::turn(int pidfd, int control) {
  constexpr int kOwnPolls = 4;
  pollfd polls[kOwnPolls + Relay::kPolls] = {{signals_.fd(), POLLIN, 0},
                                             {pidfd, POLLIN, 0},
                                             {control_open_ ? control : -1, POLLIN, 0},
                                             notify_ ? notify_->wanted() : pollfd{-1, 0, 0}};
  nfds_t count = kOwnPolls;
  if (relay_) {
    relay_->prepare(polls + kOwnPolls, !background_);
    count += Relay::kPolls;
  }
  int ready = poll(polls, count, patience_ms());
  if (ready < 0 && errno == EINTR) return true;
  if (ready < 0) return fail(errno, "wait for the container");
  if (background_ && terminal_.is_foreground()) {
    (void)take_terminal();  // if it is gone, reading from it fails
    copy_window_size();
  }
  if (relay_ && relay_->pump(polls + kOwnPolls) == EIO) {
    background_ = terminal_ && !terminal_.is_foreground();
    if (!background_) relay_->close_input();
  }
  if (notify_ && polls[1].revents != 0) notify_->set_ended();
  if (polls[3].revents != 0 || polls[1].revents != 0 || (notify_ && notify_->patience_ms() == 0)) relay_notifications();
  if (control_open_ && (polls[2].revents != 0 || polls[1].revents != 0)) TRY(read_control(control));
  return polls[1].revents == 0;
}

Result<Ended> Supervisor::run(pid_t pid, int pidfd, int control) {
  control_open_ = control >= 0;
  for (bool alive = true; alive && !ended_.init_failed;) {
    TRY(signals_.collect());
    forward_signals(pidfd);
    reap_orphans(pid);
    // Nothing would keep the deadline when minirun is killed next.
    if (watchdog_lost_ && timekeeper_)
      return fail(ErrorKind::host, "ended, as its watchdog was killed, without which its deadline is not sure");
    TRY(timekeeper_.turn(pidfd));
    alive = TRY(turn(pidfd, control));
  }
  if (relay_) {
    relay_->drain();
    ended_.output_error = relay_->output_error();
    relay_.reset();  // hangs the container's terminal up
  }
  terminal_.restore();
  watchdog_.expect_raw(false);
  if (ended_.init_failed) return ended_;
  int status = TRY(status_of_ended(pidfd, pid));
  reap_ended(pidfd);
  if (!ended_.from_init) ended_.wait_status = status;
  if (shell_status(ended_.wait_status) == 128 + SIGKILL) timekeeper_.was_killed();
  ended_.limit = timekeeper_.limit();
  ended_.killed_for_it = timekeeper_.killed();
  return ended_;
}

}  // namespace minirun
