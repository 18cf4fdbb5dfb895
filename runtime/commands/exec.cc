// SPDX-License-Identifier: Apache-2.0
// `minirun exec`: runs another process in a container. Born in the container's cgroup, it joins the namespaces by the
// pidfd of the first process; by then only its stdio is open from the host.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "cgroups/cpu_list.h"
#include "cgroups/stats.h"
#include "runtime/commands/command.h"
#include "runtime/commands/deadline_options.h"
#include "runtime/commands/exec_cgroup.h"
#include "runtime/commands/exec_process.h"
#include "runtime/commands/launch_options.h"
#include "runtime/commands/report_facts.h"
#include "runtime/commands/report_target.h"
#include "runtime/compile/home.h"
#include "runtime/compile/join_facts.h"
#include "runtime/compile/labels.h"
#include "runtime/diagnosis/death.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/launch/announcement.h"
#include "runtime/launch/child.h"
#include "runtime/launch/create.h"
#include "runtime/launch/gates.h"
#include "runtime/launch/seccomp_agent.h"
#include "runtime/oci/bundle.h"
#include "runtime/oci/config_error.h"
#include "runtime/resources/host_resources.h"
#include "runtime/resources/limited_cgroup.h"
#include "runtime/resources/systemd_scope.h"
#include "runtime/seccomp/cache.h"
#include "runtime/supervise/console.h"
#include "runtime/supervise/supervisor.h"
#include "runtime/text/log.h"
#include "runtime/text/status_events.h"
#include "sys/file.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

constexpr int kOwnFailure = 255;  // as in runc: the command's own statuses are below

constexpr ExitStatus kExecStatuses[] = {
    {"N", "the command's own status; 0 with --detach"},
    {"128+N", "signal N ended the command"},
    {"124", "--timeout or --cpu-time ended the command"},
    {"127", "the program, or the interpreter that it names, does not exist"},
    {"126", "the program exists but cannot be executed"},
    {"255", "minirun failed; one line on stderr says why"},
};

struct ExecCommand : ProcessOptions {
  std::string id;
  std::vector<std::string> cgroup;
  std::string pid_file;
  std::string console_socket;
  std::string pidfd_socket;
  uint32_t preserve_fds = 0;
  std::optional<uint64_t> status_fd;
  bool detach = false;
  bool ignore_paused = false;
  bool tree = false;
  DeadlineOptions deadline;
  ReportOption report;

  bool has_tree() const { return tree || deadline.any(); }
  Descriptors descriptors() const { return {preserve_fds, status_fd, report}; }
};

void describe(Options& options, ExecCommand& command) {
  options.flag("-d,--detach", command.detach, "return once the process runs");
  options.flag("-t,--tty,!--no-tty", command.tty, "give the process a terminal, or none");
  options.flag("--ignore-paused", command.ignore_paused, "wait for a paused container instead of failing");
  options.flag("--tree", command.tree, "when the process ends, end everything that it has started");
  describe_report(options, command.report);
  describe(options, command.deadline);
  options.group("The process");
  describe(options, static_cast<ProcessOptions&>(command));
  options.values("--cgroup", "PATH", command.cgroup, "join this cgroup below the container's");
  options.group("Files and descriptors");
  describe_status_fd(options, command.status_fd);
  options.value("--pid-file", "FILE", command.pid_file, "write the pid of the process to this file");
  options.value("--console-socket", "SOCKET", command.console_socket, "send the terminal to this Unix socket");
  options.value("--pidfd-socket", "SOCKET", command.pidfd_socket, "send a pidfd of the process to this Unix socket");
  options.value("--preserve-fds", "N", command.preserve_fds, "pass N descriptors after stdin, stdout and stderr");
  options.ignored_flag("--no-subreaper", kNoSubreaperText);
  options.id_and_rest(command.id, command.arguments);
}

// A tree that ends with minirun needs minirun to stay, and a process in its own cgroup cannot be in another.
Result<void> check_tree(const ExecCommand& command) {
  if (!command.has_tree()) return {};
  const char* option = command.deadline.timeout ? "--timeout" : command.deadline.cpu_time ? "--cpu-time" : "--tree";
  if (command.detach)
    return fail(ErrorKind::usage, "{} cannot be used with --detach: minirun ends the process", option);
  if (!command.cgroup.empty())
    return fail(ErrorKind::usage, "{} cannot be used with --cgroup: the process gets a cgroup of its own", option);
  return {};
}

Result<Reporting> begin_reporting_of_exec(const GlobalOptions& global, const ExecCommand& command) {
  if (command.report && command.detach)
    return fail(ErrorKind::usage, "--report cannot be used with --detach, which does not wait for the end");
  return Reporting::begin(global, command.report);
}

// Whether the status is the process's, or that of a signal that ended the exec.
bool has_own_status(const Error& error) {
  return error.kind == ErrorKind::exec || error.kind == ErrorKind::aborted;
}

Result<void> check_status(const Container& container, bool ignore_paused) {
  if (container.status == ContainerStatus::creating)
    return fail(ErrorKind::state, "cannot exec in a container that is being created");
  if (!container.init) return fail(ErrorKind::state, "cannot exec in a stopped container");
  if (container.status == ContainerStatus::paused && !ignore_paused)
    return fail(ErrorKind::state, "cannot exec in a paused container (use --ignore-paused to override)");
  return {};
}

// One exec, from finding the container to the end of the process. The members' destructors kill a process that has not
// come to run.
class Exec {
 public:
  // Finds the container, and blocks signals from here on.
  static Result<Exec> begin(const GlobalOptions& global, const ExecCommand& command);
  Result<void> launch();  // returns when its program runs
  // Waits until it ends; with --detach returns at once.
  Result<Outcome> supervise(const Reporting& reporting);
  Error explain(const Error& error) const;

 private:
  Exec(const ExecCommand& command, const Deadline& deadline, UniqueFd state_root, Container container,
       Supervisor supervisor)
      : command_(command),
        deadline_(deadline),
        state_root_(std::move(state_root)),
        container_(std::move(container)),
        supervisor_(std::move(supervisor)),
        announcement_(command.pidfd_socket, command.pid_file) {}

  Result<void> prepare();
  Result<void> start();
  Result<void> hand_over_terminal(UniqueFd terminal);
  Result<void> serve_listener();
  Result<void> announce();
  std::string why_killed(int wait_status) const;
  ExitReport report_of(const Ended& ended, int status) const;

  const Cgroup& cgroup() const { return tree_ ? tree_->cgroup() : *cgroup_; }

  const ExecCommand& command_;
  const Deadline deadline_;
  UniqueFd state_root_;
  Container container_;
  Supervisor supervisor_;
  Announcement announcement_;
  std::unique_ptr<const oci::Spec> spec_;  // the container's, with this process in it
  Compiled compiled_;
  std::optional<Cgroup> cgroup_;       // the container's, or one below it
  std::optional<LimitedCgroup> tree_;  // with --tree instead: this exec's own
  std::optional<OwnedProcess> process_;
  UniqueFd own_root_;  // ExecFacts::root
  ReportClock clock_;
  Baseline baseline_;  // with --report
};

Result<Exec> Exec::begin(const GlobalOptions& global, const ExecCommand& command) {
  TRY(check_tree(command));
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
  if (container_.status == ContainerStatus::paused && !TRY(await_thaw(container_, supervisor_.signals()))) {
    container_.init.reset();
    return check_status(container_, command_.ignore_paused);
  }
  TRY(start());
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
  if (command_.detach) {
    process_->detach();
    return Outcome{};
  }
  const Child& child = process_->child();
  Ended ended = TRY(supervisor_.run(child.pid, child.pidfd.get(), child.control.get()));
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
  auto removed = tree_ ? tree_->remove() : Result<void>();
  if (!removed.ok()) report_error(wrap(removed.error(), "exec " + command_.id));
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

Error failure(const Error& error, const ExecCommand& command) {
  Error named = name_as_given_to_exec(error, command);
  if (!has_own_status(named)) named.exit_status = kOwnFailure;
  return named;
}

Result<Outcome> perform_exec(const GlobalOptions& global, const ExecCommand& command, const Reporting& reporting) {
  auto exec = Exec::begin(global, command);
  if (!exec.ok()) return failure(exec.error(), command);
  auto launched = exec->launch();
  if (!launched.ok()) return failure(exec->explain(launched.error()), command);
  auto outcome = exec->supervise(reporting);
  if (!outcome.ok()) return failure(exec->explain(outcome.error()), command);
  return outcome;
}

Result<Outcome> perform(const GlobalOptions& global, const ExecCommand& command) {
  LaunchOptions options;
  options.preserve_fds = command.preserve_fds;
  auto checked = check_launch_options(options);  // before a descriptor is opened that they could mean
  if (!checked.ok()) return failure(checked.error(), command);
  auto reporting = begin_reporting_of_exec(global, command);
  if (!reporting.ok()) return failure(reporting.error(), command);
  auto outcome = perform_exec(global, command, *reporting);
  if (!outcome.ok() && reporting->is_asked())
    reporting->write(report_of_failure("exec", command.id, outcome.error()), {});
  return outcome;
}

}  // namespace

Command exec_command() {
  Command command = Command::of<ExecCommand, describe, perform>({
      .summary = "run another process in a container",
      .arguments = "ID COMMAND [ARGUMENT...]",
      .description =
          "Runs another process in a container: in its namespaces and its cgroup, under its restrictions. The settings "
          "are those of the process in config.json, or with --process FILE those of FILE, changed by the options. "
          "Everything after ID belongs to the command.\n\n"
          "With --tree the process gets a cgroup of its own below the container's, and when it ends, or minirun does, "
          "all that it has started ends with it. --timeout and --cpu-time do the same: they count for the whole tree, "
          "and --timeout from the start of the command. It takes a container with a cgroup that its processes cannot "
          "leave: one without a writable cgroup mount, and without CAP_SYS_ADMIN.",
      .examples = {{{"minirun exec -t web1 sh", "a shell with a terminal"},
                    {"minirun exec --user 33:33 --env DEBUG=1 web1 /app/check --all",
                     "as user 33, with one more variable"}}},
      .exit_statuses = kExecStatuses,
  });
  command.failure_status = kOwnFailure;
  command.errors_of = "exec failed:";
  return command;
}

}  // namespace minirun
