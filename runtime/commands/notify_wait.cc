// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/notify_wait.h"

#include <fmt/format.h>

#include <cerrno>
#include <iterator>

namespace minirun {

Result<NotifyWait> await_ready(NotifyRelay& relay, int pidfd, Signals& signals) {
  NotifyWait wait;
  for (bool alive = true; alive && !relay.ready();) {
    TRY(signals.collect());
    if (auto signal = signals.abort_request()) {
      wait.abort_signal = *signal;
      return wait;
    }
    pollfd polls[] = {relay.wanted(), {pidfd, POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    if (poll(polls, std::size(polls), relay.patience_ms()) < 0) {
      if (errno == EINTR) continue;
      return fail(errno, "wait for READY=1");
    }
    alive = (polls[1].revents & POLLIN) == 0;
    if (!alive) relay.set_ended();
    TRY(relay.turn());  // also the last message of a container that has ended
  }
  wait.ready = relay.ready();
  if (wait.ready) TRY(relay.barrier(signals));
  return wait;
}

Result<Outcome> wait_for_ready(NotifyRelay& relay, const std::string& command, pid_t pid, int pidfd, Signals& signals) {
  relay.set_main_pid(pid);
  auto wait = await_ready(relay, pidfd, signals);
  if (!wait.ok()) return wrap(wait.error(), "the container is running, but its readiness cannot be relayed");
  if (wait->abort_signal != 0) {
    Error error = given_up(wait->abort_signal);
    error.message = fmt::format("the container runs, but signal {} ended the wait for its READY=1", wait->abort_signal);
    return error;
  }
  Outcome outcome;
  if (!wait->ready) outcome.note = fmt::format("minirun: warning: {}: the container ended without READY=1", command);
  return outcome;
}

}  // namespace minirun
