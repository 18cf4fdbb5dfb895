// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/signals.h"

#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "runtime/diagnosis/exit_status.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

// The kernel's sigset_t. glibc's functions leave out the two signals that it keeps for threads (32 and 33), which would
// then end minirun by their default action.
using KernelMask = uint64_t;

bool caused_by_self(const Signal& signal) {
  bool kernel_on_our_behalf = signal.code == SI_USER && signal.sender_pid == static_cast<uint32_t>(getpid());
  return kernel_on_our_behalf && (signal.number == SIGPIPE || signal.number == SIGXFSZ);
}

// The timer of give_up_at(). Another process may send this code too, which does no harm.
bool is_own_timer(const Signal& signal) {
  return signal.number == SIGALRM && signal.code == SI_TIMER;
}

Signal from_kernel(const signalfd_siginfo& info) {
  return Signal{static_cast<int>(info.ssi_signo), info.ssi_code, info.ssi_pid, info.ssi_uid, info.ssi_ptr};
}

}  // namespace

Result<Signals> Signals::block() {
  const KernelMask all = ~KernelMask{0};
  if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all) < 0) return fail(errno, "block all signals");
  struct sigaction defaults {};
  defaults.sa_handler = SIG_DFL;
  if (sigaction(SIGCHLD, &defaults, nullptr) < 0) return fail(errno, "reset SIGCHLD");
  Signals signals;
  signals.fd_.reset(static_cast<int>(syscall(SYS_signalfd4, -1, &all, sizeof all, SFD_CLOEXEC | SFD_NONBLOCK)));
  if (!signals.fd_) return fail(errno, "signalfd");
  return signals;
}

Result<void> Signals::collect() {
  std::array<signalfd_siginfo, 64> batch;
  while (queue_.size() < kQueueLimit) {
    ssize_t n = read(fd_.get(), batch.data(), sizeof batch);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return {};
    if (n < 0) return fail(errno, "read signals");
    size_t count = static_cast<size_t>(n) / sizeof batch[0];
    for (size_t i = 0; i < count; i++) {
      Signal signal = from_kernel(batch[i]);
      if (end_ && is_own_timer(signal)) continue;
      if (signal.number != SIGCHLD && !caused_by_self(signal)) queue_.push_back(signal);
    }
  }
  return {};
}

// A separate timer, since the caller may have set an alarm(2), which survives an exec. It ends with this process, and
// children do not inherit it (timer_create(2)).
Result<void> Signals::give_up_at(std::chrono::steady_clock::time_point moment) {
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGALRM;
  int timer = 0;  // the kernel's timer_t
  if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) < 0) return fail(errno, "timer_create");
  auto since = moment.time_since_epoch();
  auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  itimerspec when{};
  when.it_value.tv_sec = seconds.count();
  when.it_value.tv_nsec = std::chrono::nanoseconds(since - seconds).count();
  if (syscall(SYS_timer_settime, timer, TIMER_ABSTIME, &when, nullptr) < 0) return fail(errno, "timer_settime");
  end_ = moment;
  return {};
}

std::optional<int> Signals::abort_request() const {
  for (const Signal& signal : queue_) {
    int number = signal.number;
    if (number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT) return number;
  }
  if (end_ && std::chrono::steady_clock::now() >= *end_) return kTimeIsOver;
  return std::nullopt;
}

Result<void> Signals::check_abort() {
  TRY(collect());
  auto signal = abort_request();
  return signal ? Result<void>(given_up(*signal)) : Result<void>();
}

Error given_up(int signal) {
  if (signal == kTimeIsOver) {
    Error error = fail(ErrorKind::aborted, "given up: --timeout was over before the workload ran");
    error.exit_status = kTimedOutStatus;
    return error;
  }
  Error error = fail(ErrorKind::aborted, "given up: signal {}", signal);
  error.exit_status = 128 + signal;
  return error;
}

int pass_on(int pidfd, const Signal& signal) {
  siginfo_t info;
  std::memset(&info, 0, sizeof info);  // the kernel copies all of it
  info.si_signo = signal.number;
  info.si_code = SI_QUEUE;
  info.si_pid = static_cast<pid_t>(signal.sender_pid);
  info.si_uid = signal.sender_uid;
  std::memcpy(&info.si_value, &signal.value, sizeof info.si_value);
  siginfo_t* queued = signal.code == SI_QUEUE ? &info : nullptr;
  auto sent = send_signal(pidfd, signal.number, queued);
  if (!sent.ok()) return sent.error().code;
  return *sent ? 0 : ESRCH;
}

}  // namespace minirun
