// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/exec_launch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "cgroups/cpu_list.h"
#include "cgroups/stats.h"
#include "runtime/commands/exec_cgroup.h"
#include "runtime/compile/home.h"
#include "runtime/compile/join_facts.h"
#include "runtime/compile/labels.h"
#include "runtime/diagnosis/death.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/launch/child.h"
#include "runtime/launch/create.h"
#include "runtime/launch/gates.h"
#include "runtime/launch/seccomp_agent.h"
#include "runtime/launch/timed_steps.h"
#include "runtime/oci/bundle.h"
#include "runtime/oci/config_error.h"
#include "runtime/resources/host_resources.h"
#include "runtime/resources/systemd_scope.h"
#include "runtime/seccomp/cache.h"
#include "runtime/supervise/console.h"
#include "runtime/text/log.h"
#include "runtime/text/status_events.h"
#include "runtime/text/stopwatch.h"
#include "sys/file.h"
#include "sys/pidfd.h"

namespace minirun {

bool has_own_status(const Error& error) {
  return error.kind == ErrorKind::exec || error.kind == ErrorKind::aborted;
}

namespace {

Result<void> check_status(const Container& container, bool ignore_paused) {
  if (container.status == ContainerStatus::creating)
    return fail(ErrorKind::state, "cannot exec in a container that is being created");
  if (!container.init) return fail(ErrorKind::state, "cannot exec in a stopped container");
  if (container.status == ContainerStatus::paused && !ignore_paused)
    return fail(ErrorKind::state, "cannot exec in a paused container (use --ignore-paused to override)");
  return {};
}

// config.md, "execCPUAffinity": applies before the process is in the container's cgroup, so this process, its parent,
// sets its own.
Result<void> set_initial_affinity(const oci::Process& process) {
  if (!process.exec_cpu_affinity || !process.exec_cpu_affinity->initial) return {};
  std::vector<uint64_t> mask = cpu_mask(*process.exec_cpu_affinity->initial);
  if (syscall(SYS_sched_setaffinity, 0, mask.size() * sizeof mask[0], mask.data()) < 0)
    return at_property("/process/execCPUAffinity/initial",
                       fail(errno, "run on CPUs {}", *process.exec_cpu_affinity->initial));
  return {};
}

}  // namespace

Result<Exec> Exec::begin(const GlobalOptions& global, const ExecCommand& command) {
  Deadline deadline = TRY(read_deadline(command.deadline));
  Supervisor supervisor = TRY(Supervisor::begin());
  if (deadline.end) TRY(supervisor.signals().give_up_at(*deadline.end));
  TRY(check_id(command.id));
  UniqueFd state_root = TRY(open_existing_root(global.root));
  Container container = TRY(find_made(state_root.get(), command.id));
  return Exec(command, deadline, std::move(state_root), std::move(container), std::move(supervisor));
}

Result<void> Exec::prepare() {
  std::string text = TRY(container_.state.read_config());
  Bundle config = TRY(parse_config(text));
  spec_ = std::make_unique<const oci::Spec>(TRY(exec_spec(command_, *config.spec)));
  const oci::Process& process = *spec_->process;
  TRY(check_labels(process));
  TRY(check_console(process.terminal, command_.detach, command_.console_socket));

  const ContainerRecord& record = container_.record;
  pid_t pid = record.init.pid;
  PlanFacts facts{{record.id, record.bundle, record.rootfs}, {}};
  facts.options.init = false;
  facts.options.detach = command_.detach;
  facts.options.preserve_fds = command_.preserve_fds;
  facts.options.line_ends = keeps_line_ends(command_.console_socket);
  facts.options.window = first_console_size(spec_->process, !command_.detach);
  facts.seccomp = TRY(cached_seccomp(state_root_.get(), spec_->linux_.seccomp));
  facts.paths.home = TRY(home_in_container(pid, process.env, process.user.uid));
  ExecFacts joined = TRY(exec_facts(pid, container_.init.get(), *spec_));
  facts.host = TRY(host_of_joined(joined));
  compiled_ = compile_exec(*spec_, facts, joined);
  own_root_ = std::move(joined.root);
  for (const std::string& warning : compiled_.warnings) report_line("minirun: warning: " + warning);
  if (command_.has_tree())
    tree_.emplace(LimitedCgroup::adopt(TRY(make_exec_tree(container_.record, *spec_)), [] { return Result<void>(); }));
  else
    cgroup_.emplace(TRY(exec_cgroup(container_.record, command_.cgroup)));
  TRY(come_near(container_.record.systemd, container_.record.cgroup.path));
  return {};
}

// Clones it in the container's cgroup.
Result<void> Exec::start() {
  bool relays = compiled_.terminal && command_.console_socket.empty();
  UniqueFd kill;
  if (tree_) kill = TRY(open_at(cgroup().fd(), "cgroup.kill", O_WRONLY));
  TRY(supervisor_.keep_time(deadline_, cgroup()));
  if (!command_.detach) TRY(supervisor_.start_watchdog(relays, kill.get()));
  TRY(set_initial_affinity(*spec_->process));
  if (command_.report && !tree_) {
    baseline_.counters = read_usage(cgroup().fd()).counters;
    auto hierarchy = find_hierarchy();
    if (hierarchy.ok()) baseline_.ancestors = read_ancestors(*hierarchy, cgroup().record().path);
  }
  HostDescriptors host{own_root_.get(), cgroup().fd(), {container_.init.get()}};
  Signals& signals = supervisor_.signals();
  process_.emplace(TRY(start_child(compiled_, host, container_.state.fd(), cgroup(), signals)).process);
  return {};
}

Result<void> Exec::launch() {
  TRY(check_status(container_, command_.ignore_paused));
  TRY(prepare());
  if (container_.status == ContainerStatus::paused) begin_phase("thaw");
  if (container_.status == ContainerStatus::paused && !TRY(await_thaw(container_, supervisor_.signals()))) {
    container_.init.reset();
    return check_status(container_, command_.ignore_paused);
  }
  begin_phase("clone");
  TRY(start());
  begin_phase("steps");
  Child& child = process_->child();
  Channel channel{child, supervisor_.signals(), {cgroup(), &compiled_, &*spec_->process}};
  channel.root = open_container_root(container_.record.init.pid);
  if (TRY(has_ended(container_.init.get()))) channel.root.reset();  // the pid may be reused
  TRY(join_host_side(container_.record.rdt, child.pid));
  GateHandlers on;
  on.terminal = [this](UniqueFd terminal) { return hand_over_terminal(std::move(terminal)); };
  on.gate = [this](Gate) { return announce(); };
  if (spec_->linux_.seccomp) on.listener = [this] { return serve_listener(); };
  auto launched = follow(channel, on);
  take_steps(compiled_.plan, child.memory, !launched.ok());
  if (launched.ok()) begin_phase("announcement");
  // The outer process may have joined the class only after the clone.
  if (launched.ok() && compiled_.plan.birth) launched = join_host_side(container_.record.rdt, child.pid);
  if (launched.ok()) launched = announce();
  if (!launched.ok()) announcement_.withdraw();
  return launched;
}

Result<void> Exec::hand_over_terminal(UniqueFd terminal) {
  if (!command_.console_socket.empty()) return send_console(command_.console_socket, terminal.get());
  return supervisor_.attach_terminal(std::move(terminal));
}

Result<void> Exec::serve_listener() {
  Child& child = process_->child();
  SeccompAgent agent = TRY(SeccompAgent::connect(*spec_->linux_.seccomp));
  return agent.serve(child, container_.record, container_.status, supervisor_.signals());
}

Result<void> Exec::announce() {
  return announcement_.make(process_->child().pid, process_->child().pidfd.get());
}

// The counters cover the container's whole life: they show only what may have happened, and the line says so.
std::string Exec::why_killed(int wait_status) const {
  if (!WIFSIGNALED(wait_status) || WTERMSIG(wait_status) != SIGKILL) return "";
  auto stats = read_stats(cgroup().fd());
  if (!stats.ok() || stats->oom_kills.value_or(0) == 0) return "";
  return fmt::format(
      "minirun: exec {}: killed by SIGKILL; the container lacks memory: memory.max {}, killed for it so far: {}",
      command_.id, limit_reached(stats->memory_max_bytes), *stats->oom_kills);
}

ExitReport Exec::report_of(const Ended& ended, int status) const {
  ExitReport report;
  report.command = "exec";
  report.death.id = command_.id;
  report.death.seccomp = spec_->linux_.seccomp.has_value();
  report.exit_status = status;
  take_counters(cgroup(), &baseline_, &report);
  if (!tree_ && report.counters == CountersOf::own) report.counters = CountersOf::container;
  take_ending(ended, false, SIGTERM, &report);
  clock_.stop(&report);
  return report;
}

Result<Outcome> Exec::supervise(const Reporting& reporting) {
  status_running(command_.id, process_->child().pid);
  clock_.start();
  end_setup();
  if (command_.detach) {
    process_->detach();
    return Outcome{};
  }
  const Child& child = process_->child();
  begin_phase("workload");
  Ended ended = TRY(supervisor_.run(child.pid, child.pidfd.get(), child.control.get()));
  begin_phase("explanation");
  process_->detach();
  if (ended.output_error != 0 && ended.output_error != EPIPE)
    report_error(fail(ended.output_error, "exec {}: copy the terminal's output to stdout", command_.id));
  std::string limit = describe_limit(command_.deadline, ended);
  int status = limit.empty() ? shell_status(ended.wait_status) : kTimedOutStatus;
  Outcome outcome{
      status, "",
      limit.empty() ? why_killed(ended.wait_status) : fmt::format("minirun: exec {}: {}", command_.id, limit)};
  std::optional<ExitReport> report;
  if (reporting.is_asked()) report = report_of(ended, status);
  if (tree_) begin_phase("removal");
  auto removed = tree_ ? tree_->remove() : Result<void>();
  begin_phase("end");
  if (!removed.ok()) report_error(wrap(removed.error(), "exec " + command_.id));
  if (report) report->timing = timing_so_far();
  if (report) reporting.write(*report, {});
  status_exited(command_.id, ended.wait_status, status, cause_of(ended.limit),
                report ? [&](JsonWriter& json) { write_report(json, *report); } : ReportWriter());
  return outcome;
}

// The container may end at any moment: then that is the reason, not the failed step.
Error Exec::explain(const Error& error) const {
  constexpr const char* kStopped = "cannot exec in a stopped container";
  if (!container_.init || has_own_status(error)) return error;
  auto ended = has_ended(container_.init.get());
  // Its namespaces disappear (setns: ESRCH) before its end is visible.
  if (!ended.ok() || (!*ended && !is_exiting(container_.record.init.pid))) return error;
  return fail(ErrorKind::state, "{} ({})", kStopped, error.text());
}

}  // namespace minirun
