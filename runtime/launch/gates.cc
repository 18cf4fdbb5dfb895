// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/gates.h"

#include <poll.h>

#include <cerrno>
#include <iterator>
#include <optional>
#include <utility>

#include "runtime/supervise/console.h"
#include "runtime/supervise/init_channel.h"

namespace minirun {
namespace {

// How long an abort request waits for an exec that has begun.
constexpr int kLongestExecMs = 1000;

// The outer process has closed its socket. It ends when the program has been executed, or never will be.
Result<void> await_arrival(Child* child, Signals& signals) {
  while (child->stands_in) {
    TRY(signals.collect());
    auto signal = signals.abort_request();
    pollfd polls[] = {{child->pidfd.get(), POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    int n = poll(polls, signal ? 1 : 2, signal ? kLongestExecMs : -1);
    if (n < 0 && errno != EINTR) return fail(errno, "wait for the process");
    if (n > 0 && polls[0].revents != 0) {
      if (!TRY(arrive(child))) return {};
      continue;
    }
    if (signal) return given_up(*signal);
  }
  return {};
}

// True: the process in the joined pid namespace exists, and waits until its pid is recorded. False: it never will.
Result<bool> await_number(Child* child, Signals& signals) {
  constexpr int kPauseMs = 1;
  for (bool ended = false;;) {
    if (TRY(take_place(child))) return true;
    if (ended) return false;
    TRY(signals.check_abort());
    pollfd polls[] = {{child->pidfd.get(), POLLIN, 0}};
    ended = poll(polls, 1, kPauseMs) > 0;  // if it cloned anything, it did so before
  }
}

// The outer process ends when its child executes its program or ends.
Result<void> await_exec(Child* child, Signals& signals) {
  constexpr int kPauseMs = 50;
  while (!await_outer(child, kPauseMs)) {
    TRY(signals.collect());
    auto signal = signals.abort_request();
    if (signal && !await_outer(child, kLongestExecMs)) return given_up(*signal);
  }
  return {};
}

Error unexpected(Message message) {
  return fail(EPROTO, "unexpected message {} from the init", static_cast<uint32_t>(message));
}

// The messages so far, and the answers to the next ones.
class Dialogue {
 public:
  Dialogue(Channel& channel, const GateHandlers& on) : channel_(channel), on_(on) {}

  // Waits while no message has arrived and the socket is open. True: the process has ended, which is final even if
  // another process holds the socket. It has no time limit, since mounts may take long; signals end it.
  Result<bool> wait();
  // True: the launch has succeeded.
  Result<bool> answer(Received received);

 private:
  Result<bool> answer_message(const Envelope& envelope, UniqueFd fd);
  Result<bool> answer_end();
  Result<void> once(uint32_t what);
  Result<void> pass(Gate gate);
  Result<void> hand_over_terminal();

  Channel& channel_;
  const GateHandlers& on_;
  UniqueFd terminal_;
  uint32_t said_ = 0;
  std::optional<int> abort_;  // an abort request
  bool held_ = false;
  bool ended_ = false;
};

// A tracer of the init (a container with CAP_SYS_PTRACE) could make it send forever, and hooks run again and again. So
// it may reach each gate, and hand over its terminal, only once.
Result<void> Dialogue::once(uint32_t what) {
  constexpr auto kLastGate = static_cast<uint32_t>(Gate::hooks);
  if (what > kLastGate) return fail(EPROTO, "unexpected gate {} from the init", what);
  if ((said_ >> what & 1) != 0) return fail(EPROTO, "the init sent message {} twice", what);
  said_ |= 1U << what;
  return {};
}

Result<void> Dialogue::hand_over_terminal() {
  if (!terminal_) return {};
  return on_.terminal ? on_.terminal(std::move(terminal_)) : Result<void>(unexpected(Message::terminal));
}

Result<void> Dialogue::pass(Gate gate) {
  TRY(hand_over_terminal());
  if (gate == Gate::listener) return on_.listener ? on_.listener() : Result<void>(unexpected(Message::ready));
  if (!on_.gate) return unexpected(Message::ready);
  TRY(on_.gate(gate));
  Child& child = channel_.child;
  if (!child.waits_for_commit || child.stands_in) return open_gate(child.control.get());
  commit(&child);
  return {};
}

Result<bool> Dialogue::answer_message(const Envelope& envelope, UniqueFd fd) {
  constexpr uint32_t kTerminal = 0;  // among the numbers of gates
  switch (envelope.message) {
    case Message::terminal:
      TRY(once(kTerminal));
      TRY(check_terminal(fd.get()));
      terminal_ = std::move(fd);
      return false;
    case Message::ready:
      if (envelope.status == 0) return fail(EPROTO, "unexpected gate 0 from the init");
      TRY(once(static_cast<uint32_t>(envelope.status)));
      TRY(pass(static_cast<Gate>(envelope.status)));
      return false;
    case Message::sources: {
      if (channel_.turns == nullptr) return unexpected(envelope.message);
      auto sent = channel_.turns->answer(channel_.child.control.get(), envelope.status);
      if (!sent.ok()) return explain_sources(sent.error(), channel_.facts);
      return false;
    }
    case Message::created:
    case Message::running:
      TRY(hand_over_terminal());
      return true;
    case Message::failed:
      return explain_step(channel_.child, channel_.facts, channel_.root.get());
    default:
      return unexpected(envelope.message);
  }
}

Result<bool> Dialogue::wait() {
  const Child& child = channel_.child;
  pollfd polls[] = {{child.control.get(), POLLIN, 0}, {child.pidfd.get(), POLLIN, 0}, {-1, POLLIN, 0}};
  if (std::exchange(ended_, false)) return true;  // only now, after all that it sent before its end was read
  if (abort_) {
    // The workload may already run and its init be about to report it: then the signal belongs to the workload.
    if (std::exchange(held_, true) || child.memory.report().state != kExecuting) return given_up(*abort_);
    abort_.reset();
    (void)poll(polls, 2, kLongestExecMs);  // the next check finds out
    return false;
  }
  TRY(channel_.signals.collect());
  abort_ = channel_.signals.abort_request();
  // The workload itself may have sent it just after its init reported that it runs, so check once more.
  if (abort_) return false;
  polls[2].fd = channel_.signals.fd();
  if (poll(polls, std::size(polls), -1) < 0 && errno != EINTR) return fail(errno, "wait for the container's init");
  ended_ = polls[1].revents != 0;
  return false;
}

Result<bool> Dialogue::answer_end() {
  Child& child = channel_.child;
  if (child.waits_for_commit && TRY(await_number(&child, channel_.signals))) {
    channel_.root = open_container_root(child.pid);
    TRY(pass(Gate::commit));
    return false;
  }
  TRY(await_arrival(&child, channel_.signals));
  TRY(await_exec(&child, channel_.signals));
  uint32_t state = child.memory.report().state;
  if (state == kFailed) return explain_step(child, channel_.facts, channel_.root.get());
  if (state != kExecuting || channel_.resident_init) return explain_death(child, channel_.facts.cgroup);
  TRY(hand_over_terminal());
  return true;
}

Result<bool> Dialogue::answer(Received received) {
  bool message = received.kind == Received::Kind::message;
  return message ? answer_message(received.envelope, std::move(received.fd)) : answer_end();
}

}  // namespace

Result<void> follow(Channel& channel, const GateHandlers& on) {
  Dialogue dialogue(channel, on);
  for (bool done = false; !done;) {
    auto received = TRY(try_receive(channel.child.control.get()));
    if (!received && TRY(dialogue.wait())) received.emplace();  // end of file
    if (received) done = TRY(dialogue.answer(std::move(*received)));
  }
  return {};
}

}  // namespace minirun
