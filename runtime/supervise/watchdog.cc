// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/watchdog.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "sys/close_range.h"
#include "sys/pipe.h"

namespace minirun {
namespace {

struct GuardTask {
  int pipe;
  Watchdog::Guarded guarded;
  std::array<int, 4> kept;  // the descriptors above in ascending order
};

// Waits until minirun sends something, or is gone. False: the time was over first.
bool hear(int pipe, std::chrono::steady_clock::time_point end) {
  constexpr int64_t kLongest = 3600000;
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd word{pipe, POLLIN, 0};
    if (poll(&word, 1, static_cast<int>(std::min<int64_t>(left.count(), kLongest))) > 0) return true;
  }
}

void kill_all(const Watchdog::Guarded& guarded) {
  if (guarded.cgroup_kill >= 0) (void)!write(guarded.cgroup_kill, "1", 1);
  if (guarded.pidfd >= 0) (void)syscall(SYS_pidfd_send_signal, guarded.pidfd, SIGKILL, nullptr, 0);
}

// The forked side: system calls only. Signals stay blocked as in minirun, above all SIGTTOU, so that a background
// process may change the terminal's settings (termios(3)).
[[noreturn]] void stand_guard(const GuardTask& task) {
  const Watchdog::Guarded& guarded = task.guarded;
  auto end = guarded.end;
  (void)prctl(PR_SET_NAME, "minirun-guard");
  (void)close_all_but(task.kept, 0);  // fails only on kernels that minirun does not support
  bool raw = false;
  for (;;) {
    if (end && !hear(task.pipe, *end)) {
      end.reset();
      kill_all(guarded);
    }
    char word = 0;
    ssize_t n = read(task.pipe, &word, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    raw = word == 'r';
  }
  // minirun is gone: errors have no reader.
  if (raw) (void)tcsetattr(guarded.terminal, TCSANOW, guarded.saved);
  kill_all(guarded);
  _exit(0);
}

}  // namespace

Result<Watchdog> Watchdog::start(const Guarded& guarded) {
  Pipe pipe = TRY(make_pipe());
  Watchdog watchdog;
  watchdog.pipe_ = std::move(pipe.writer);
  int reader = pipe.reader.get();
  GuardTask task{reader, guarded, {reader, guarded.terminal, guarded.cgroup_kill, guarded.pidfd}};
  std::sort(task.kept.begin(), task.kept.end());
  pid_t pid = fork();
  if (pid < 0) return fail(errno, "fork the watchdog");
  if (pid == 0) stand_guard(task);
  watchdog.pid_ = pid;
  // Set here and not in the watchdog, which may not have run yet when minirun's group is killed.
  if (setpgid(pid, pid) < 0) return fail(errno, "give the watchdog a process group");
  return watchdog;
}

Watchdog::Watchdog(Watchdog&& other) noexcept : pid_(std::exchange(other.pid_, -1)), pipe_(std::move(other.pipe_)) {}

Watchdog& Watchdog::operator=(Watchdog&& other) noexcept {
  stop();
  pid_ = std::exchange(other.pid_, -1);
  pipe_ = std::move(other.pipe_);
  return *this;
}

void Watchdog::expect_raw(bool raw) {
  if (pid_ <= 0) return;
  // EPIPE: the watchdog was killed. minirun itself still restores the terminal.
  while (write(pipe_.get(), raw ? "r" : "c", 1) < 0 && errno == EINTR) {
  }
}

void Watchdog::stop() {
  if (pid_ <= 0) return;
  (void)kill(pid_, SIGKILL);  // a child that is not reaped yet keeps its pid, even if it has ended
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  pipe_.reset();
}

}  // namespace minirun
