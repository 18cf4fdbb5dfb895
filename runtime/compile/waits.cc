// SPDX-License-Identifier: Apache-2.0
// Where a container waits while other processes may run in it: between create and start, and for startContainer hooks.
#include <sys/syscall.h>

#include "runtime/compile/parts.h"
#include "runtime/compile/process.h"
#include "runtime/seccomp/answer.h"

namespace minirun {

// startContainer hooks of `run`; `start` runs those of a created container. If a pid namespace is joined, the process
// has given up everything before its pid is known.
static bool waits_for_hooks(const Compilation& c) {
  return c.first_process && !c.options.create && !c.enters && c.process && !c.spec.hooks.start_container.empty();
}

Wait start_wait(const Compilation& c) {
  if (!c.options.create && !waits_for_hooks(c)) return Wait::none;
  if (c.seccomp == nullptr || c.seccomp->has_listener()) return Wait::before_filter;
  constexpr uint64_t kFutexWait = 0, kFutexWake = 1;
  const std::vector<SeccompCall> with_init = {{SYS_futex, {std::nullopt, kFutexWait}},
                                              {SYS_futex, {std::nullopt, kFutexWake}}};
  const std::vector<SeccompCall> alone = {{SYS_sendmsg}, {SYS_close}, {SYS_accept4}, {SYS_recvfrom}, {SYS_nanosleep}};
  const std::vector<SeccompCall> at_gate = {{SYS_sendmsg}, {SYS_recvfrom}};
  if (!c.options.init)
    return seccomp_allows(c.seccomp->filter, c.options.create ? alone : at_gate) ? Wait::alone : Wait::before_filter;
  // Without its own pid namespace it would outlive its init, and wait forever.
  bool can = c.is_new(CLONE_NEWPID) && seccomp_allows(c.seccomp->filter, with_init);
  return can ? Wait::with_init : Wait::before_filter;
}

StartSlots make_start_slots(Compilation& c) {
  c.out.start_socket = true;
  StartSlots slots;
  slots.socket = c.plan.slot({SourceKind::given, "the start socket", false, kGivenStartSocket, ""});
  slots.gate = c.plan.slot({SourceKind::given, "the gate", false, kGivenGate, ""});
  return slots;
}

StartSlots close_for_wait(Compilation& c, bool keeps_proc) {
  const uint32_t first = c.plan.plan().first_kept_fd;
  StartSlots slots = c.options.create ? make_start_slots(c) : StartSlots{};
  c.add(steps::CloseOnExec{first});
  c.add(steps::CloseDescriptors{first, LeftOpen::wait, slots.socket, slots.gate, keeps_proc});
  return slots;
}

uint32_t emit_await_start(Compilation& c, const StartSlots& slots, Heeds heeds) {
  bool now = heeds == Heeds::now;
  if (now) c.add(steps::HeedSignals{});
  c.add(steps::AwaitStart{slots.socket, now});
  return c.plan.size();
}

bool waits_at_gate(const Compilation& c) {
  return c.options.create && !c.enters && (!c.process || start_wait(c) == Wait::before_filter);
}

static void emit_gate(Compilation& c, Gate gate, const char* what) {
  c.add(steps::WaitAtGate{gate, c.text(what)});
}

uint32_t emit_hooks_gate(Compilation& c) {
  c.out.hooks_gate = true;
  emit_gate(c, Gate::hooks, "startContainer hooks");
  return c.plan.size();
}

uint32_t emit_gates(Compilation& c) {
  bool outlives = c.options.detach || c.options.create, waits = start_wait(c) == Wait::before_filter;
  bool hooks = waits && waits_for_hooks(c);
  // If a pid namespace is joined, the pid is known only when the process executes its program.
  if (!c.enters && outlives) emit_gate(c, Gate::commit, "the state is to be committed");
  // The caller of create or run may read the output to its end, as containerd does: a container with a terminal must
  // not hold it until start, nor its init any longer.
  if ((outlives || hooks) && c.process && c.process->terminal) c.add(steps::TakeTerminal{}, "/process/terminal");
  if (c.commits) return kNoStep;
  if (outlives) c.add(steps::Outlive{});
  bool labels = c.process && has_label(*c.process);
  if (hooks) {
    close_for_wait(c, labels);
    emit_hooks_gate(c);
    return kNoStep;
  }
  if (!waits_at_gate(c)) return kNoStep;
  c.add(steps::Session{c.text(" to wait in")});
  return emit_await_start(c, close_for_wait(c, labels), Heeds::now);
}

}  // namespace minirun
