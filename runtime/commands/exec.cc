// SPDX-License-Identifier: Apache-2.0
// `minirun exec`: one more process in a container. Born in the container's cgroup, it joins the namespaces by the pidfd
// of the first process; nothing of the host is open in it by then but what it was given as stdio.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>

#include "cgroups/cpu_list.h"
#include "cgroups/freezer.h"
#include "cgroups/hierarchy.h"
#include "cgroups/stats.h"
#include "runtime/commands/command.h"
#include "runtime/commands/exec_process.h"
#include "runtime/commands/launch_options.h"
#include "runtime/compile/home.h"
#include "runtime/compile/join_facts.h"
#include "runtime/compile/labels.h"
#include "runtime/container/container.h"
#include "runtime/diagnosis/death.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/launch/child.h"
#include "runtime/launch/create.h"
#include "runtime/launch/seccomp_agent.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/bundle.h"
#include "runtime/resources/host_resources.h"
#include "runtime/resources/systemd_scope.h"
#include "runtime/seccomp/cache.h"
#include "runtime/supervise/console.h"
#include "runtime/supervise/init_channel.h"
#include "runtime/text/log.h"
#include "sys/file.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

constexpr int kOwnFailure = 255;  // as runc has it: the command's own statuses are below

constexpr ExitStatus kExecStatuses[] = {
    {"N", "the command's own status; 0 with --detach"},
    {"128+N", "signal N ended the command"},
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
  bool detach = false;
  bool ignore_paused = false;

  uint64_t descriptors() const { return preserve_fds; }
};

void describe(Options& options, ExecCommand& command) {
  options.flag("-d,--detach", command.detach, "return once the process runs");
  options.flag("-t,--tty,!--no-tty", command.tty, "give the process a terminal, or none");
  options.flag("--ignore-paused", command.ignore_paused, "wait for a paused container instead of failing");
  options.group("The process");
  describe(options, static_cast<ProcessOptions&>(command));
  options.values("--cgroup", "PATH", command.cgroup, "join this cgroup below the container's");
  options.group("Files and descriptors");
  options.value("--pid-file", "FILE", command.pid_file, "write the pid of the process to this file");
  options.value("--console-socket", "SOCKET", command.console_socket, "send the terminal to this Unix socket");
  options.value("--pidfd-socket", "SOCKET", command.pidfd_socket, "send a pidfd of the process to this Unix socket");
  options.value("--preserve-fds", "N", command.preserve_fds, "hand on N descriptors after stdin, stdout and stderr");
  options.ignored_flag("--no-subreaper", kNoSubreaperText);
  options.id_and_rest(command.id, command.arguments);
}

// Of the process that was asked for, and of a signal that gave the exec up.
bool has_own_status(const Error& error) {
  return error.kind == ErrorKind::exec || error.kind == ErrorKind::aborted;
}

Result<void> check_status(const Container& container, bool ignore_paused) {
  if (container.status == "creating") return fail(ErrorKind::state, "cannot exec in a container that is being created");
  if (!container.init) return fail(ErrorKind::state, "cannot exec in a stopped container");
  if (container.status == "paused" && !ignore_paused)
    return fail(ErrorKind::state, "cannot exec in a paused container (use --ignore-paused to override)");
  return {};
}

// The container's cgroup, or one below it. A cgroup that passes its controllers on (systemd in the container) can hold
// no process itself: then the one where the container's first process is.
Result<Cgroup> exec_cgroup(const ContainerRecord& record, const std::vector<std::string>& options) {
  if (record.cgroup.path.empty() && options.empty()) return Cgroup::none();
  Cgroup own = TRY(open_cgroup(record));
  std::string below;
  if (!options.empty()) {
    below = options.back();
    if (options.size() > 1)
      return fail(ErrorKind::usage, "--cgroup {}: must be given once: cgroup v2 has a single tree", below);
    if (below.find(':') != std::string::npos)
      return fail(ErrorKind::usage,
                  "--cgroup {}: must be a path below the container's cgroup: controllers are for cgroup v1", below);
    while (below.starts_with('/')) below.erase(0, 1);
    while (below.ends_with('/')) below.pop_back();
  } else {
    auto enabled = read_file(own.fd(), "cgroup.subtree_control");
    bool leaves_it = delegated_cgroup(record.annotations).has_value();  // so that it may pass them on later
    if (!enabled.ok() || (enabled->find_first_not_of(" \n") == std::string::npos && !leaves_it)) return own;
    auto text = read_file(AT_FDCWD, fmt::format("/proc/{}/cgroup", record.init.pid));
    auto path = text.ok() ? own_cgroup_path(*text) : Result<std::string>(text.error());
    if (path.ok() && path->starts_with(record.cgroup.path + "/")) below = path->substr(record.cgroup.path.size() + 1);
  }
  if (below.empty()) return own;
  Hierarchy hierarchy = TRY(find_hierarchy());
  auto opened = Cgroup::open(hierarchy, {record.cgroup.path + "/" + below, 0, 0, 0});
  if (!opened.ok() && !options.empty()) return wrap(opened.error(), "--cgroup " + options.back());
  return opened;
}

// --ignore-paused: until the container goes on; false when it ends. A process that is born frozen would hold minirun in
// clone3(2), where no signal is heard.
Result<bool> await_thaw(const Cgroup& cgroup, int init_pidfd, Signals& signals) {
  constexpr int kLookAgainMs = 200;  // a freeze that is not complete yet ends without an event
  UniqueFd events = TRY(open_at(cgroup.fd(), "cgroup.events", O_RDONLY));
  for (;;) {
    TRY(signals.collect());
    if (auto signal = signals.abort_request()) return given_up(*signal);
    char text[256];  // poll(2) waits for what changed since the last read
    if (pread(events.get(), text, sizeof text, 0) < 0) return fail(errno, "read cgroup.events");
    if (!TRY(is_frozen(cgroup.fd(), "."))) return true;
    pollfd polls[] = {{events.get(), POLLPRI, 0}, {init_pidfd, POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    if (poll(polls, std::size(polls), kLookAgainMs) < 0 && errno != EINTR) return fail(errno, "wait for the container");
    if (polls[1].revents != 0) return false;
  }
}

// One exec, from the container to the end of the process. Destroyed in reverse: what did not come to run is killed.
class Exec {
 public:
  Exec(const ExecCommand& command, Container container, Supervisor supervisor)
      : command_(command), container_(std::move(container)), supervisor_(std::move(supervisor)) {}

  Result<Outcome> perform(int state_root);

 private:
  Result<Outcome> attempt(int state_root);
  Error explain(const Error& error) const;
  Result<void> prepare(int state_root);
  Result<void> launch();
  Result<void> tell_pid();
  Result<Outcome> supervise();
  std::string why_killed(int wait_status) const;

  const ExecCommand& command_;
  Container container_;
  Supervisor supervisor_;
  oci::Spec spec_;
  Compiled compiled_;
  std::optional<Cgroup> cgroup_;
  std::optional<Launched> launched_;
  UniqueFd root_;      // the container's
  UniqueFd own_root_;  // ExecFacts::root
  bool pid_told_ = false;
};

Result<void> Exec::prepare(int state_root) {
  std::string text = TRY(container_.state.read_config());
  Bundle config = TRY(parse_config(text));
  spec_ = std::move(config.spec);
  spec_.process = TRY(exec_process(command_, spec_));
  oci::Process& process = *spec_.process;
  TRY(check_labels(process));
  TRY(check_console(process.terminal, command_.detach, command_.console_socket));
  auto window = caller_window_size();
  if (process.terminal && !command_.detach && window)
    process.console_size = oci::ConsoleSize{window->ws_row, window->ws_col};
  std::optional<SeccompProgram> seccomp;
  if (spec_.linux_.seccomp) seccomp = TRY(cached_seccomp(state_root, *spec_.linux_.seccomp));

  pid_t pid = container_.record.init.pid;
  RunOptions options;
  options.init = false;
  options.detach = command_.detach;
  options.preserve_fds = command_.preserve_fds;
  options.line_ends = keeps_line_ends(command_.console_socket);
  Place place{container_.record.id, container_.record.bundle, container_.record.rootfs,
              TRY(home_in_container(pid, process.env, process.user.uid))};
  ExecFacts facts = TRY(exec_facts(pid, container_.init.get(), spec_));
  HostFacts host = TRY(host_of_joined(facts));
  compiled_ = compile_exec(spec_, place, host, options, seccomp ? &*seccomp : nullptr, facts);
  own_root_ = std::move(facts.root);
  for (const std::string& warning : compiled_.warnings) report_line("minirun: warning: " + warning);
  cgroup_.emplace(TRY(exec_cgroup(container_.record, command_.cgroup)));
  TRY(come_near(container_.record.systemd, container_.record.cgroup.path));
  return {};
}

// config.md, "execCPUAffinity": before the process is in the container's cgroup, and so for this one, which it comes
// from.
Result<void> set_initial_affinity(const oci::Process& process) {
  if (!process.exec_cpu_affinity || !process.exec_cpu_affinity->initial) return {};
  std::vector<uint64_t> mask = cpu_mask(*process.exec_cpu_affinity->initial);
  if (syscall(SYS_sched_setaffinity, 0, mask.size() * sizeof mask[0], mask.data()) < 0)
    return fail(errno, "/process/execCPUAffinity/initial: run on CPUs {}", *process.exec_cpu_affinity->initial);
  return {};
}

Result<void> Exec::launch() {
  bool relays = compiled_.terminal && command_.console_socket.empty();
  if (!command_.detach) TRY(supervisor_.start_watchdog(relays, -1));
  TRY(set_initial_affinity(*spec_.process));
  HostDescriptors host{own_root_.get(), cgroup_->fd(), {container_.init.get()}};
  launched_.emplace(TRY(Launched::start(compiled_, host, container_.state.fd(), *cgroup_)));
  // When its exec fails it may be gone before anyone can look. None: the message says less.
  root_.reset(open(fmt::format("/proc/{}/root", container_.record.init.pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (TRY(has_ended(container_.init.get()))) root_.reset();  // the number may be another process's
  launched_->look_from(root_.get());
  TRY(join_host_side(container_.record.rdt, launched_->child().pid));
  for (;;) {
    LaunchEvents events;
    TRY(await_launch(*launched_, compiled_, &*spec_.process, *cgroup_, supervisor_.signals(), &events));
    if (events.terminal && !command_.console_socket.empty())
      TRY(send_console(command_.console_socket, events.terminal.get()));
    else if (events.terminal)
      TRY(supervisor_.attach_terminal(std::move(events.terminal)));
    if (!events.gate) break;
    if (*events.gate == Gate::listener) {
      SeccompAgent agent = TRY(SeccompAgent::connect(*spec_.linux_.seccomp));
      TRY(agent.serve(launched_->child(), container_.record, container_.status, launched_->child().pid,
                      supervisor_.signals()));
      continue;
    }
    TRY(tell_pid());
    TRY(release(launched_->child().control.get()));
  }
  // Cloned by a process that may have been moved only after that.
  if (compiled_.plan.birth) TRY(join_host_side(container_.record.rdt, launched_->child().pid));
  if (!pid_told_) TRY(tell_pid());
  return {};
}

Result<void> Exec::tell_pid() {
  if (!command_.pidfd_socket.empty()) TRY(send_pidfd(command_.pidfd_socket, launched_->child().pidfd.get()));
  TRY(write_pid_file(command_.pid_file, launched_->child().pid));
  pid_told_ = true;
  return {};
}

// The counts are those of the container's whole life: they show what may have happened, and the line says so.
std::string Exec::why_killed(int wait_status) const {
  if (!WIFSIGNALED(wait_status) || WTERMSIG(wait_status) != SIGKILL) return "";
  auto stats = read_stats(cgroup_->fd());
  if (!stats.ok() || stats->oom_kills.value_or(0) == 0) return "";
  return fmt::format(
      "minirun: exec {}: killed by SIGKILL; the container lacks memory: memory.max {}, killed for it so far: {}",
      command_.id, limit_reached(stats->memory_max_bytes), *stats->oom_kills);
}

Result<Outcome> Exec::supervise() {
  Child& child = launched_->child();
  Ended ended = TRY(supervisor_.run(child.pid, child.pidfd.get(), child.control.get()));
  launched_->let_go();
  if (ended.output_error != 0 && ended.output_error != EPIPE)
    report_error(fail(ended.output_error, "exec {}: copy the terminal's output to stdout", command_.id));
  return Outcome{shell_status(ended.wait_status), "", why_killed(ended.wait_status)};
}

// The container may end at any moment: then its end is the reason, not the step that failed.
Error Exec::explain(const Error& error) const {
  constexpr const char* kStopped = "cannot exec in a stopped container";
  if (!container_.init || has_own_status(error)) return error;
  auto ended = has_ended(container_.init.get());
  // Its namespaces go (setns: ESRCH) before its end can be seen.
  if (!ended.ok() || (!*ended && !is_exiting(container_.record.init.pid))) return error;
  return fail(ErrorKind::state, "{} ({})", kStopped, error.text());
}

Result<Outcome> Exec::perform(int state_root) {
  auto outcome = attempt(state_root);
  if (outcome.ok()) return outcome;
  return explain(outcome.error());
}

Result<Outcome> Exec::attempt(int state_root) {
  TRY(check_status(container_, command_.ignore_paused));
  TRY(prepare(state_root));
  if (container_.status == "paused") {
    Cgroup frozen = TRY(open_cgroup(container_.record));
    if (!TRY(await_thaw(frozen, container_.init.get(), supervisor_.signals()))) {
      container_.init.reset();
      return check_status(container_, command_.ignore_paused).error();
    }
  }
  auto launched = launch();
  if (!launched.ok() && pid_told_) remove_pid_file(command_.pid_file);  // the pid may be reused soon
  TRY(launched);
  if (!command_.detach) return supervise();
  launched_->let_go();
  return Outcome{};
}

Result<Outcome> exec(const GlobalOptions& global, const ExecCommand& command) {
  LaunchOptions options;
  options.preserve_fds = command.preserve_fds;
  TRY(check_launch_options(options));
  Supervisor supervisor = TRY(Supervisor::begin());
  TRY(check_id(command.id));
  UniqueFd state_root = TRY(open_existing_root(global.root));
  Container container = TRY(find_made(state_root.get(), command.id));
  Exec exec(command, std::move(container), std::move(supervisor));
  return exec.perform(state_root.get());
}

Result<Outcome> perform(const GlobalOptions& global, const ExecCommand& command) {
  auto outcome = exec(global, command);
  if (outcome.ok()) return outcome;
  Error error = name_as_given(outcome.error(), command);
  if (!has_own_status(error)) error.exit_status = kOwnFailure;
  return error;
}

}  // namespace

Command exec_command() {
  Command command = Command::of<ExecCommand, describe, perform>({
      .summary = "run another process in a container",
      .arguments = "ID COMMAND [ARGUMENT...]",
      .description =
          "Runs another process in a container: in its namespaces and its cgroup, under its restrictions. The settings "
          "are those of the process in config.json, or with --process FILE those of FILE, changed by the options. "
          "Everything after ID belongs to the command.",
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
