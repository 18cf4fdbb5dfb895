// SPDX-License-Identifier: Apache-2.0
// `minirun exec`: another process in an existing container. Its plan joins the container's namespaces by the pidfd of
// the first process, and then continues like any other.
#include <linux/capability.h>
#include <linux/sched.h>
#include <unistd.h>

#include "cgroups/cpu_list.h"
#include "runtime/compile/capabilities.h"
#include "runtime/compile/parts.h"

namespace minirun {

// The outer process writes them, through minirun's own tree.
static void emit_exec_proc(Compilation& c, bool hosts) {
  const oci::Process& process = *c.process;
  if (!has_label(process) && !process.oom_score_adj) return;
  c.add(steps::OpenProc{hosts ? Procfs::hosts : Procfs::own});
  if (!process.oom_score_adj) return;
  c.write_proc("/process/oomScoreAdj", "self/oom_score_adj", std::to_string(*process.oom_score_adj), hosts);
}

// Joins all in one call, so that the user namespace's rights count for the others (setns(2), Linux 5.8). A pid
// namespace affects only children: see emit_entry(). Writes below /proc/self come first, since a user namespace removes
// the right to do so.
void emit_joins(Compilation& c, const ExecFacts& facts) {
  Slot pidfd = c.plan.slot({SourceKind::given, "of the container's first process", false, kGivenPidfd, ""});
  uint64_t types = facts.namespaces;
  c.enters = (types & CLONE_NEWPID) != 0;
  emit_exec_proc(c, !facts.privileged || c.host.in_user_namespace);
  if ((types & CLONE_NEWUSER) != 0) emit_raised_limits(c);
  if (types != 0) c.add(steps::JoinNamespace{pidfd, types});
  if ((types & CLONE_NEWUSER) != 0) {
    c.add(steps::BecomeRoot{});  // what it makes must have an owner there
    c.add(steps::DieWithParent{});
  }
  if (!c.shares_mounts() || !facts.chroot) {
    c.add(steps::OpenRoot{});
    return;
  }
  Slot root = c.plan.slot({SourceKind::rootfs_directory, "the container's root", false, 0, ""});
  c.add(steps::TakeRoot{root});
  c.add(steps::ChangeRoot{});
}

namespace {

void emit_affinity(Compilation& c) {
  const auto& affinity = c.process->exec_cpu_affinity;
  if (!affinity || !affinity->final) return;
  std::vector<uint64_t> mask = cpu_mask(*affinity->final);
  Bytes bytes = c.plan.bytes(mask.data(), mask.size() * sizeof mask[0]);
  c.add(steps::CpuAffinity{bytes, c.text("CPUs " + *affinity->final)}, "/process/execCPUAffinity/final");
}

}  // namespace

Compiled compile_exec(const oci::Spec& spec, const PlanFacts& facts, const ExecFacts& joined) {
  Compilation c{spec, spec.process, facts.paths, facts.host, facts.options, facts.filter()};
  c.plan.plan().first_kept_fd = 3 + facts.options.preserve_fds;
  c.add(steps::DieWithParent{});
  // Otherwise this process already has the "initial" affinity.
  if (!spec.process->exec_cpu_affinity) emit_all_cpus(c);
  emit_joins(c, joined);
  if (spec.process->terminal) emit_pty(c);
  emit_working_directory(c);
  CapabilitySets sets = emit_privileges(c);
  emit_affinity(c);
  (void)emit_gates(c);
  emit_last_steps(c, sets);
  c.out.seccomp = facts.seccomp.has_value();
  c.out.plan = c.plan.finish();
  return std::move(c.out);
}

}  // namespace minirun
