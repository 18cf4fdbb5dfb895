// The way of a process into a pid namespace where others are at work: Birth in namespaces/plan.h.
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
  c.plan.plan().birth =
      c.add(Op::birth, "", {flags, c.text(way == kBirthLast ? " that executes the program" : ""), way, dies ? 1u : 0u});
}

static bool limits_processes(const Compilation& c) {
  const auto& rlimits = c.spec.process->rlimits;
  return std::any_of(rlimits.begin(), rlimits.end(), [](const auto& r) { return r.resource == RLIMIT_NPROC; });
}

// Whether all that is done from the birth to the exec may be done under the filter (emit_entry).
static bool filter_comes_first(const Compilation& c) {
  constexpr uint64_t kTakeTerminal = 0x540e;  // TIOCSCTTY
  constexpr uint64_t kClone = CLONE_PARENT | CLONE_PARENT_SETTID | CLONE_VFORK | SIGCHLD;
  std::vector<SeccompCall> calls = {{SYS_clone, {kClone, 0}}, {SYS_setsid, {}}};
  if (!c.options.detach) calls.push_back({SYS_prctl, {PR_SET_PDEATHSIG, SIGKILL}});
  if (c.spec.process->terminal) calls.push_back({SYS_ioctl, {0, kTakeTerminal, 0}});
  if (limits_processes(c)) calls.push_back({SYS_prlimit64, {0, RLIMIT_NPROC}});
  if (c.seccomp->has_listener()) calls.push_back({SYS_close, {}});
  if (is_lost_in_fork(c)) {
    for (long number : {SYS_sched_setattr, SYS_capset, SYS_prctl}) calls.push_back({number, {}});
  }
  return seccomp_allows(c.seccomp->filter, calls);
}

// Into a pid namespace where others may trace every process they see. Whatever can be taken from a process is given up
// out here, where they see nothing, and the clone into the namespace comes last. A profile that forbids what the clone
// and the process do after it is loaded in there instead: docs/security.md has what is held until then.
void emit_entry(Compilation& c, const CapabilitySets& sets) {
  const oci::Process& process = *c.spec.process;
  bool filtered = c.seccomp != nullptr;
  bool first = filtered && filter_comes_first(c);
  uint64_t borrowed = borrowed_capabilities(c);
  uint64_t late = is_lost_in_fork(c) ? borrowed & bit(CAP_SYS_NICE) : 0;
  emit_labels(c);
  if (process.terminal && !c.options.detach) c.add(Op::take_terminal, "/process/terminal");
  c.add(Op::session, "", {c.text(" outside"), 0});
  if (filtered && c.seccomp->has_listener()) emit_listener_gate(c);
  uint64_t environment = emit_environment(c);
  c.add(Op::close_descriptors, "", {c.plan.plan().first_kept_fd});
  if (first) emit_filter(c, c.seccomp->has_listener());
  if (first && borrowed != late) emit_capabilities(c, late != 0 ? with_borrowed(sets, late) : sets);
  // Under the filter its answer counts only if it is the kernel's.
  bool may_look = !first || seccomp_allows(c.seccomp->filter, SeccompCall{SYS_getppid, {}});
  emit_birth(c, 0, kBirthLast, may_look && !c.options.detach);
  if (!c.options.detach) c.add(Op::die_with_parent, "");
  emit_rlimits(c, true);
  if (late != 0 || is_lost_in_fork(c)) emit_scheduler(c);
  c.add(Op::session, process.terminal ? "/process/terminal" : "",
        {c.text(process.terminal ? " with the terminal" : ""), process.terminal ? 1u : 0u});
  if (filtered && !first) emit_filter(c, false);
  if (late != 0 || (borrowed != 0 && !first)) emit_capabilities(c, sets);
  emit_execute(c, environment);
}

}  // namespace minirun
