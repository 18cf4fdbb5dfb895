#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "tests/integration/payload/payload.h"

namespace payload {
namespace {

void block_all(sigset_t& all) {
  sigfillset(&all);
  if (sigprocmask(SIG_BLOCK, &all, nullptr) != 0) broken("sigprocmask");
}

int next_signal(const sigset_t& all) {
  siginfo_t info{};
  int number = -1;
  do {
    number = sigwaitinfo(&all, &info);
  } while (number < 0 && errno == EINTR);  // stopped or frozen, and let go on
  if (number < 0) broken("sigwaitinfo");
  return number;
}

void print_window() {
  winsize size{};
  if (ioctl(0, TIOCGWINSZ, &size) != 0) broken("TIOCGWINSZ");
  say("tty " + std::to_string(size.ws_row) + " " + std::to_string(size.ws_col) + "\n");
}

}  // namespace

int signals(const Args& args) {
  int last = atoi(args.at(0).c_str());
  sigset_t all;
  block_all(all);
  say("ready\n");
  for (;;) {
    int number = next_signal(all);
    say("got " + std::to_string(number) + "\n");
    if (number == last) return 0;
  }
}

int queued(const Args& args) {
  constexpr timespec kPatience{10, 0};
  int wanted = atoi(args.at(0).c_str());
  sigset_t all;
  block_all(all);
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

int exit_on(const Args& args) {
  int number = atoi(args.at(0).c_str());
  sigset_t all;
  block_all(all);
  say("ready\n");
  while (next_signal(all) != number) {
  }
  return atoi(args.at(1).c_str());
}

int tty(const Args&) {
  if (isatty(0) == 0) broken("isatty");
  sigset_t all;
  block_all(all);
  int signals = signalfd(-1, &all, SFD_CLOEXEC);
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

}  // namespace payload
