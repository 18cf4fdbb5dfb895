// SPDX-License-Identifier: Apache-2.0
// A hook as a plan: it starts like every process from the sealed init program, so that a container cannot reach the
// host through /proc/PID/exe, with no signal blocked or ignored and no descriptor but stdio.
#include "runtime/compile/parts.h"

namespace minirun {
namespace {

// The hook's process: like the container's, or without settings.
oci::Process process_of(const oci::Spec& spec, const HookCall& call) {
  const bool own = call.side == HookSide::start_container && spec.process;
  oci::Process process = own ? *spec.process : oci::Process();
  process.terminal = false;
  process.scheduler.reset();  // for the workload only: a deadline task, for example, may not fork (sched(7))
  process.cwd = call.cwd;
  process.args = call.hook.args.empty() ? oci::Strings{call.hook.path} : call.hook.args;
  // As in other runtimes, a hook without an environment gets that of the runtime, or of the process for startContainer.
  if (call.hook.env)
    process.env = *call.hook.env;
  else if (call.side != HookSide::start_container)
    process.env = call.env;
  return process;
}

void emit_stdio(Compilation& c) {
  const struct {
    const char* name;
    uint64_t given;
  } stdio[] = {{"the state", kGivenStdin}, {"the hook's stdout", kGivenStdout}, {"the hook's stderr", kGivenStderr}};
  for (uint32_t number = 0; number < std::size(stdio); number++) {
    Slot slot = c.plan.slot({SourceKind::given, stdio[number].name, false, stdio[number].given, ""});
    c.add(steps::Redirect{slot, number});
  }
}

}  // namespace

Compiled compile_hook(const oci::Spec& spec, const PlanFacts& facts, const ExecFacts& joined, const HookCall& call) {
  const std::optional<oci::Process> process = process_of(spec, call);
  RunOptions options;
  options.init = false;
  bool confined = call.side == HookSide::start_container;
  const SeccompProgram* filter = confined ? facts.filter() : nullptr;
  Compilation c{spec, process, facts.paths, facts.host, options, filter, call.hook.path, call.pointer};
  c.inherits_env = confined && !call.hook.env;
  c.add(steps::DieWithParent{});
  if (call.side != HookSide::runtime) {
    emit_all_cpus(c);
    emit_joins(c, joined);
  }
  emit_stdio(c);  // before the user of the process gets it
  if (confined) {
    emit_working_directory(c);
    emit_last_steps(c, emit_privileges(c));
  } else {
    c.add(steps::Umask{0022});
    c.add(steps::WorkingDirectory{c.path(call.cwd)});
    PointerTable environment = emit_environment(c);
    const uint32_t first = c.plan.plan().first_kept_fd;
    if (!c.enters) {
      c.add(steps::CloseOnExec{first});
    } else {
      c.add(steps::CloseDescriptors{first});
      emit_birth(c, 0, BirthWay::last, true);
      c.add(steps::DieWithParent{});
    }
    c.add(steps::Session{});  // a process group, which can be killed as one
    emit_execute(c, environment);
  }
  c.out.plan = c.plan.finish();
  return std::move(c.out);
}

}  // namespace minirun
