// SPDX-License-Identifier: Apache-2.0
// Brings a process into a pid namespace with other processes: Birth in namespaces/plan.h.
#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <csignal>

#include "runtime/compile/parts.h"
#include "runtime/compile/process.h"
#include "runtime/seccomp/answer.h"

namespace minirun {

void emit_birth(Compilation& c, uint64_t flags, BirthWay way, bool dies) {
  c.plan.plan().birth = c.add(steps::Birth{flags, way, dies});
}

static bool limits_processes(const Compilation& c) {
  const auto& rlimits = c.process->rlimits;
  return std::any_of(rlimits.begin(), rlimits.end(), [](const auto& r) { return r.resource == RLIMIT_NPROC; });
}

static bool outlives(const Compilation& c) {
  return c.options.detach || c.options.create;
}

// A container's process dies with minirun until minirun has recorded its pid.
static bool dies_with_minirun(const Compilation& c) {
  return c.commits || !c.options.detach;
}

// The extra calls of a container's first process between birth and exec.
static void add_calls_of_first_process(const Compilation& c, std::vector<SeccompCall>* calls) {
  constexpr uint64_t kFutexWait = 0, kFutexWake = 1;
  calls->push_back({SYS_getppid, {}});
  calls->push_back({SYS_futex, {std::nullopt, kFutexWait}});
  calls->push_back({SYS_futex, {std::nullopt, kFutexWake}});
  if (outlives(c)) calls->push_back({SYS_prctl, {PR_SET_PDEATHSIG, 0}});
  if (c.options.listen_fds.count > 0) calls->push_back({SYS_getpid, {}});
  if (!c.options.create) return;
  calls->push_back({SYS_prctl, {PR_SET_DUMPABLE, 0}});
  for (long number : {SYS_sendmsg, SYS_close, SYS_accept4, SYS_recvfrom, SYS_nanosleep}) calls->push_back({number, {}});
}

// Whether the filter allows all calls from the birth to the exec (emit_entry).
static bool filter_comes_first(const Compilation& c) {
  constexpr uint64_t kTakeTerminal = 0x540e;  // TIOCSCTTY
  const uint64_t clone = CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD | (c.options.create ? 0 : CLONE_VFORK);
  if (start_wait(c) == Wait::before_filter) return false;
  std::vector<SeccompCall> calls = {{SYS_clone, {clone, 0}}, {SYS_setsid, {}}};
  if (dies_with_minirun(c)) calls.push_back({SYS_prctl, {PR_SET_PDEATHSIG, SIGKILL}});
  if (c.commits) add_calls_of_first_process(c, &calls);
  if (c.process->terminal) calls.push_back({SYS_ioctl, {0, kTakeTerminal, 0}});
  if (limits_processes(c)) calls.push_back({SYS_prlimit64, {0, RLIMIT_NPROC}});
  if (c.seccomp->has_listener()) calls.push_back({SYS_close, {}});
  if (is_lost_in_fork(c)) {
    for (long number : {SYS_sched_setattr, SYS_capset, SYS_prctl}) calls.push_back({number, {}});
  }
  return seccomp_allows(c.seccomp->filter, calls);
}

static StartSlots close_before_birth(Compilation& c) {
  const uint32_t first = c.plan.plan().first_kept_fd;
  if (!c.options.create) {
    c.add(steps::CloseDescriptors{first});
    return {};
  }
  return close_for_wait(c, false);
}

// The clone, and the child's first steps. may_look: the filter lets getppid(2) reach the kernel.
static void emit_last_birth(Compilation& c, bool may_look) {
  BirthWay way = !c.commits ? BirthWay::last : c.options.create ? BirthWay::alone : BirthWay::held;
  emit_birth(c, 0, way, may_look && !c.options.detach);
  if (dies_with_minirun(c)) c.add(steps::DieWithParent{});
  if (!c.commits) return;
  c.add(steps::AwaitCommit{});
  if (outlives(c)) c.add(steps::Outlive{});
}

// Enters a pid namespace in which others may trace every process they see. The process gives up everything worth taking
// while it is still outside their view, and the clone into the namespace comes last. A profile that forbids the clone
// or the later calls is loaded inside instead: docs/security.md lists what the process holds until then.
uint32_t emit_entry(Compilation& c, const CapabilitySets& sets) {
  const oci::Process& process = *c.process;
  bool filtered = c.seccomp != nullptr;
  bool first = filtered && filter_comes_first(c);
  bool listens = filtered && c.seccomp->has_listener();
  Wait wait = start_wait(c);
  uint64_t borrowed = borrowed_capabilities(c);
  uint64_t late = is_lost_in_fork(c) ? borrowed & bit(CAP_SYS_NICE) : 0;
  emit_labels(c);
  if (process.terminal && !outlives(c)) c.add(steps::TakeTerminal{}, "/process/terminal");
  c.add(steps::Session{c.text(" outside")});
  if (listens && wait == Wait::none) emit_listener_gate(c);
  PointerTable environment = emit_environment(c);
  StartSlots slots = close_before_birth(c);
  if (first && wait == Wait::alone) c.add(steps::HeedSignals{});
  if (first) emit_filter(c, listens);
  if (first && borrowed != late) emit_capabilities(c, late != 0 ? with_borrowed(sets, late) : sets);
  // Under the filter its answer counts only if the kernel gives it.
  emit_last_birth(c, !first || seccomp_allows(c.seccomp->filter, SeccompCall{SYS_getppid, {}}));
  emit_rlimits(c, RlimitTime::last);
  if (late != 0 || is_lost_in_fork(c)) emit_scheduler(c);
  c.add(steps::Session{c.text(process.terminal ? " with the terminal" : ""), process.terminal},
        process.terminal ? "/process/terminal" : "");
  if (c.own_pid) c.add(*c.own_pid);
  uint32_t after_wait = kNoStep;
  if (wait == Wait::before_filter) after_wait = emit_await_start(c, slots, Heeds::now);
  if (listens && wait != Wait::none) emit_listener_gate(c);
  if (!first && wait == Wait::alone) c.add(steps::HeedSignals{});
  if (filtered && !first) emit_filter(c, false);
  if (late != 0 || (borrowed != 0 && !first)) emit_capabilities(c, sets);
  if (wait == Wait::alone) after_wait = emit_await_start(c, slots, Heeds::already);
  emit_execute(c, environment);
  return after_wait;
}

uint32_t emit_empty_entry(Compilation& c) {
  StartSlots slots = close_before_birth(c);
  emit_last_birth(c, true);
  if (!c.options.create) return kNoStep;
  c.add(steps::Session{c.text(" to wait in")});
  return emit_await_start(c, slots, Heeds::now);
}

}  // namespace minirun
