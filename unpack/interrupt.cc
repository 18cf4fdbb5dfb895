// SPDX-License-Identifier: Apache-2.0
#include "unpack/interrupt.h"

#include <atomic>
#include <csignal>
#include <cstring>

namespace minirun::unpack {
namespace {

std::atomic<int> noted_interrupt{0};

void note_interrupt(int signal) {
  int none = 0;
  noted_interrupt.compare_exchange_strong(none, signal);
}

}  // namespace

void heed_interrupts() {
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    struct sigaction before {};
    struct sigaction action {};
    action.sa_handler = note_interrupt;
    // The signals' numbers are right, so neither can fail.
    (void)sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) (void)sigaction(signal, &action, nullptr);
  }
  (void)signal(SIGPIPE, SIG_IGN);  // a progress line that is lost costs nothing
}

int interrupted_by() {
  return noted_interrupt.load();
}

Result<void> unless_interrupted() {
  int signal = interrupted_by();
  if (signal == 0) return {};
  const char* name = sigabbrev_np(signal);
  Error error = fail(ErrorKind::aborted, "ended by SIG{}: nothing is left", name != nullptr ? name : "?");
  error.exit_status = 128 + signal;
  return error;
}

}  // namespace minirun::unpack
