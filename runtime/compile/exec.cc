// `minirun exec`: one more process in a container that is there. Its plan joins the container's namespaces by the pidfd
// of the first process, and goes on as that of any process.
#include <linux/capability.h>
#include <linux/sched.h>
#include <unistd.h>

#include "cgroups/cpu_list.h"
#include "runtime/compile/capabilities.h"
#include "runtime/compile/parts.h"

namespace minirun {

static void emit_exec_proc(Compilation& c) {
  const oci::Process& process = *c.spec.process;
  bool labels = !process.apparmor_profile.empty() || !process.selinux_label.empty();
  if (!labels && !process.oom_score_adj) return;
  c.add(Op::open_proc, "");
  if (process.oom_score_adj) {
    c.add(Op::write_proc, "/process/oomScoreAdj",
          {c.text("self/oom_score_adj"), c.text(std::to_string(*process.oom_score_adj))});
  }
}

// All in one call, so that the user namespace's rights count for the others (setns(2), Linux 5.8). A pid namespace is
// for children: the parent enters it. Who becomes another user may not write below /proc/self any more
// (PR_GET_DUMPABLE): on the way into a user namespace that comes first. An ordinary user has the right to a procfs only
// in there, and is root of it already.
void emit_joins(Compilation& c, const ExecFacts& facts) {
  Plan& plan = c.plan.plan();
  uint32_t pidfd = c.plan.slot({SourceKind::given, "of the container's first process", false, kGivenPidfd, ""});
  uint64_t types = facts.namespaces;
  bool unprivileged = !facts.privileged && (types & CLONE_NEWUSER) != 0;
  if (unprivileged) {  // the right to join the rest comes with the user namespace: on the way to clone
    plan.joins.push_back({pidfd, CLONE_NEWUSER});
    plan.becomes_root = true;
    types &= ~uint64_t{CLONE_NEWUSER};
  }
  if ((types & CLONE_NEWPID) != 0) plan.joins.push_back({pidfd, CLONE_NEWPID});
  types &= ~uint64_t{CLONE_NEWPID};
  bool proc_first = (types & CLONE_NEWUSER) != 0;
  if (proc_first) emit_exec_proc(c);
  if (types != 0) c.add(Op::join_namespace, "", {pidfd, types});
  // Root of the user namespace, where this process is nobody yet: what it makes must have an owner in it.
  if ((types & CLONE_NEWUSER) != 0) c.add(Op::identity, "", {0, 0});
  c.add(Op::open_root, "");
  if (!proc_first) emit_exec_proc(c);
}

namespace {

void emit_affinity(Compilation& c) {
  const auto& affinity = c.spec.process->exec_cpu_affinity;
  if (!affinity || !affinity->final) return;
  std::vector<uint64_t> mask = cpu_mask(*affinity->final);
  uint64_t offset = c.plan.bytes(mask.data(), mask.size() * sizeof mask[0]);
  c.add(Op::cpu_affinity, "/process/execCPUAffinity/final",
        {offset, mask.size() * sizeof mask[0], c.text("CPUs " + *affinity->final)});
}

void emit_exec_terminal(Compilation& c) {
  const oci::Process& process = *c.spec.process;
  if (!process.terminal) return;
  c.out.terminal = true;
  oci::ConsoleSize size = process.console_size.value_or(oci::ConsoleSize{});
  c.add(Op::terminal, "/process/terminal", {c.text("/dev/pts"), size.height, size.width, process.user.uid});
}

}  // namespace

Compiled compile_exec(const oci::Spec& spec, const Place& place, const HostFacts& host, const RunOptions& options,
                      const SeccompProgram* seccomp, const ExecFacts& facts) {
  Compilation c{spec, place, host, options, seccomp};
  c.plan.plan().first_kept_fd = 3 + options.preserve_fds;
  c.add(Op::die_with_parent, "");
  // Else "initial" is that of this process already.
  if (!spec.process->exec_cpu_affinity) emit_all_cpus(c);
  emit_joins(c, facts);
  emit_exec_terminal(c);
  emit_working_directory(c);
  CapabilitySets sets = emit_privileges(c);
  emit_affinity(c);
  (void)emit_gates(c);
  emit_last_steps(c, sets);
  c.out.seccomp = seccomp != nullptr;
  c.out.plan = c.plan.finish();
  return std::move(c.out);
}

}  // namespace minirun
