// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "tests/support/payload/payload.h"

namespace payload {
namespace {

// The kernel's sigset_t: libc's functions leave out the two signals that it keeps for threads, which this program has
// not.
constexpr uint64_t kAll = ~uint64_t{0};

void block_all() {
  if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &kAll, nullptr, sizeof kAll) != 0) broken("rt_sigprocmask");
}

int next_signal() {
  long number = -1;
  do {
    number = syscall(SYS_rt_sigtimedwait, &kAll, nullptr, nullptr, sizeof kAll);
  } while (number < 0 && errno == EINTR);  // stopped or frozen, and let go on
  if (number < 0) broken("rt_sigtimedwait");
  return static_cast<int>(number);
}

void print_window() {
  winsize size{};
  if (ioctl(0, TIOCGWINSZ, &size) != 0) broken("TIOCGWINSZ");
  say("tty " + std::to_string(size.ws_row) + " " + std::to_string(size.ws_col) + "\n");
}

}  // namespace

int signals(const Args& args) {
  int last = atoi(args.at(0).c_str());
  block_all();
  say("ready\n");
  for (;;) {
    int number = next_signal();
    say("got " + std::to_string(number) + "\n");
    if (number == last) return 0;
  }
}

int queued(const Args& args) {
  constexpr timespec kPatience{10, 0};
  int wanted = atoi(args.at(0).c_str());
  sigset_t all;
  sigfillset(&all);
  block_all();
  say("ready\n");
  int next = 0, others = 0;
  while (next + others < wanted) {
    siginfo_t info{};
    int number = sigtimedwait(&all, &info, &kPatience);
    if (number < 0 && errno == EINTR) continue;
    if (number < 0) break;
    if (number < SIGRTMIN) continue;
    if (info.si_code == SI_QUEUE && info.si_value.sival_int == next)
      ++next;
    else
      ++others;
  }
  say("queued " + std::to_string(next) + " in order\n");
  return 0;
}

int die_by(const Args& args) {
  int number = atoi(args.at(0).c_str());
  (void)signal(number, SIG_DFL);
  kill(getpid(), number);
  // As PID 1 the default action of a signal from inside is nothing.
  return 0;
}

int fault(const Args& args) {
  constexpr size_t kBytes = 4096;
  int file = static_cast<int>(syscall(SYS_memfd_create, "empty", MFD_CLOEXEC));
  bool bus = args.at(0) == "bus";  // else what may not be touched at all
  void* memory = mmap(nullptr, kBytes, bus ? PROT_READ : PROT_NONE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) broken("mmap");
  return *static_cast<volatile char*>(memory);
}

int exit_on(const Args& args) {
  int number = atoi(args.at(0).c_str());
  block_all();
  say("ready\n");
  while (next_signal() != number) {
  }
  return atoi(args.at(1).c_str());
}

int tty(const Args&) {
  if (isatty(0) == 0) broken("isatty");
  block_all();
  int signals = static_cast<int>(syscall(SYS_signalfd4, -1, &kAll, sizeof kAll, SFD_CLOEXEC));
  if (signals < 0) broken("signalfd");
  // A key that makes a signal also throws away what was typed (NOFLSH, termios(3)), perhaps between poll and read: that
  // read must not wait, or no signal is looked at any more.
  if (fcntl(0, F_SETFL, O_RDWR | O_NONBLOCK) != 0) broken("O_NONBLOCK");
  print_window();
  say("ready\n");
  for (;;) {
    pollfd waits[] = {{signals, POLLIN, 0}, {0, POLLIN, 0}};
    if (poll(waits, 2, -1) < 0) broken("poll");
    if (waits[0].revents != 0) {
      signalfd_siginfo info{};
      if (read(signals, &info, sizeof info) != sizeof info) broken("read the signal");
      say("got " + std::to_string(info.ssi_signo) + "\n");
      if (info.ssi_signo == SIGWINCH) print_window();
      if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP) return 0;
    }
    if (waits[1].revents != 0) {
      char line[256];
      ssize_t n = read(0, line, sizeof line);
      if (n < 0 && errno == EAGAIN) continue;
      if (n <= 0) return 0;
      say("read " + std::string(line, static_cast<size_t>(n)));
    }
  }
}

namespace {

// In a process group of its own, which has the terminal.
[[noreturn]] void be_job() {
  if (setpgid(0, 0) != 0 || tcsetpgrp(0, getpid()) != 0) broken("become the foreground job");
  (void)signal(SIGTTOU, SIG_DFL);
  say("job\n");
  for (;;) pause();
}

}  // namespace

int shell(const Args&) {
  (void)signal(SIGTTOU, SIG_IGN);  // takes the terminal from its job
  pid_t job = fork();
  if (job < 0) broken("fork");
  if (job == 0) be_job();
  for (;;) {
    int status = 0;
    if (waitpid(job, &status, WUNTRACED) != job) broken("waitpid");
    if (tcsetpgrp(0, getpgrp()) != 0) broken("take the terminal");
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
    say("stopped by " + std::to_string(WSTOPSIG(status)) + "\n");
    char line[16];
    if (read(0, line, sizeof line) <= 0) broken("read");
    if (tcsetpgrp(0, job) != 0 || kill(-job, SIGCONT) != 0) broken("let the job go on");
    say("goes on\n");
  }
}

}  // namespace payload
