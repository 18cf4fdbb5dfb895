// SPDX-License-Identifier: Apache-2.0
// Prints each signal it receives, by number, name and sender; SIGTERM ends it with status 0.
//
// The signals are blocked and taken one after the other: none is lost between two, and a real-time signal sent three
// times is printed three times.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void print_signal(const siginfo_t* info) {
  if (info->si_signo >= SIGRTMIN)
    printf("signal %d SIGRTMIN+%d", info->si_signo, info->si_signo - SIGRTMIN);
  else
    printf("signal %d SIG%s", info->si_signo, sigabbrev_np(info->si_signo));
  if (info->si_code <= 0)  // sent by a process, SI_USER or SI_QUEUE
    printf(" from pid %d", info->si_pid);
  printf("\n");
}

int main(void) {
  sigset_t all;
  siginfo_t info;
  int received = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  printf("signals: pid %d is ready; SIGTERM ends it\n", getpid());
  do {
    if (sigwaitinfo(&all, &info) < 0) continue;  // SIGSTOP and SIGCONT interrupt it
    received++;
    print_signal(&info);
  } while (info.si_signo != SIGTERM);
  printf("signals: %d received, good bye\n", received);
  return 0;
}
