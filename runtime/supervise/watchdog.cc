// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/watchdog.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "sys/pipe.h"

namespace minirun {
namespace {

struct GuardTask {
  int pipe;
  int terminal;
  int cgroup_kill;
  const termios* saved;
  std::array<int, 3> kept;  // the descriptors above in ascending order
};

void close_others(const std::array<int, 3>& kept) {
  unsigned first = 0;
  for (int fd : kept) {
    if (fd < 0) continue;
    auto number = static_cast<unsigned>(fd);
    if (number > first)
      (void)syscall(SYS_close_range, first, number - 1, 0);  // fails on kernels that minirun is not for
    first = number + 1;
  }
  (void)syscall(SYS_close_range, first, ~0U, 0);
}

// The forked side: system calls only. Signals stay blocked, as minirun has them: SIGTTOU above all, so that a
// background process may change the terminal's settings (termios(3)).
[[noreturn]] void stand_guard(const GuardTask& task) {
  (void)prctl(PR_SET_NAME, "minirun-guard");
  close_others(task.kept);
  bool raw = false;
  for (;;) {
    char word = 0;
    ssize_t n = read(task.pipe, &word, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    raw = word == 'r';
  }
  // minirun is gone: errors have no reader.
  if (raw) (void)tcsetattr(task.terminal, TCSANOW, task.saved);
  if (task.cgroup_kill >= 0) (void)!write(task.cgroup_kill, "1", 1);
  _exit(0);
}

}  // namespace

Result<Watchdog> Watchdog::start(int terminal, const termios& saved, int cgroup_kill) {
  Pipe pipe = TRY(make_pipe());
  Watchdog watchdog;
  watchdog.pipe_ = std::move(pipe.writer);
  int reader = pipe.reader.get();
  GuardTask task{reader, terminal, cgroup_kill, &saved, {reader, terminal, cgroup_kill}};
  std::sort(task.kept.begin(), task.kept.end());
  pid_t pid = fork();
  if (pid < 0) return fail(errno, "fork the watchdog");
  if (pid == 0) stand_guard(task);
  watchdog.pid_ = pid;
  // From here, not by the watchdog itself: it may not have run yet when minirun's group is killed.
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
  // EPIPE: the watchdog was killed. minirun itself still gives the terminal back.
  while (write(pipe_.get(), raw ? "r" : "c", 1) < 0 && errno == EINTR) {
  }
}

void Watchdog::stop() {
  if (pid_ <= 0) return;
  (void)kill(pid_, SIGKILL);  // a child that is not reaped yet: the number is its own, also when it has ended
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  pipe_.reset();
}

}  // namespace minirun
