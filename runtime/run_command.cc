// `minirun run`: the whole life of a container in one command.
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "cgroups/hierarchy.h"
#include "cgroups/stats.h"
#include "runtime/bundle.h"
#include "runtime/commands.h"
#include "runtime/compile.h"
#include "runtime/console.h"
#include "runtime/death.h"
#include "runtime/launch.h"
#include "runtime/log.h"
#include "runtime/prepare.h"
#include "runtime/state.h"
#include "runtime/supervise.h"
#include "sys/file.h"

namespace minirun {
namespace {

MemoryFacts memory_facts(const CgroupStats& stats) {
  MemoryFacts facts;
  facts.total.oom = stats.oom_events.value_or(0);
  facts.total.oom_kill = stats.oom_kills.value_or(0);
  facts.local.oom = stats.oom_events_local.value_or(0);
  facts.limit_bytes = stats.memory_max_bytes;
  facts.peak_bytes = stats.memory_peak_bytes;
  return facts;
}

// Decimal without a newline, complete when it can be seen: go-runc reads it with a bare Atoi, conmon with atoi.
Result<void> write_pid_file(const std::string& path, pid_t pid) {
  if (path.empty()) return {};
  return replace_file(AT_FDCWD, path, std::to_string(pid), 0644);
}

// One run, from the claimed id to its end. Members in the order of their making; destroyed, and so undone, in reverse.
class Run {
 public:
  Run(const RunCommand& command, const Prepared& prepared, const Hierarchy& hierarchy, StateDirectory state,
      Supervisor supervisor)
      : command_(command),
        prepared_(prepared),
        hierarchy_(hierarchy),
        state_(std::move(state)),
        supervisor_(std::move(supervisor)) {}

  Result<Outcome> perform();

 private:
  Result<void> record_intent();
  Result<std::optional<LaunchFailure>> launch();
  Result<std::optional<LaunchFailure>> await_running();
  Result<void> hand_over_terminal(LaunchEvents* events);
  Result<void> commit();
  Result<Outcome> detach();
  Result<Outcome> supervise();
  std::string why_it_ended(const Ended& ended);
  Result<void> clean_up();

  const RunCommand& command_;
  const Prepared& prepared_;
  const Hierarchy& hierarchy_;
  StateDirectory state_;
  Supervisor supervisor_;
  ContainerRecord record_;
  std::optional<LimitedCgroup> cgroup_;
  std::optional<Launched> launched_;
};

Result<Outcome> Run::perform() {
  TRY(record_intent());  // before the first kernel object: see state.h
  auto failure = TRY(launch());
  if (failure) return Outcome{failure->exit_status, "", "", wrap(failure->error, "run " + prepared_.id)};
  return command_.detach ? detach() : supervise();
}

Result<void> Run::record_intent() {
  record_.id = prepared_.id;
  record_.bundle = prepared_.bundle.path;
  record_.rootfs = prepared_.rootfs_path;
  record_.created = now_rfc3339();
  record_.boot_id = TRY(current_boot_id());
  record_.cgroup = TRY(Cgroup::survey(hierarchy_, prepared_.compiled.cgroup_path));
  record_.annotations = prepared_.bundle.spec.annotations;
  return state_.write(record_);
}

Result<std::optional<LaunchFailure>> Run::launch() {
  cgroup_.emplace(TRY(LimitedCgroup::make(hierarchy_, prepared_.compiled)));
  record_.cgroup = cgroup_->cgroup().record();
  UniqueFd cgroup_kill;
  bool kills_all = (prepared_.compiled.plan.clone_flags & CLONE_NEWPID) != 0;  // the end of its init
  if (!kills_all && !command_.detach) cgroup_kill = TRY(open_at(cgroup_->cgroup().fd(), "cgroup.kill", O_WRONLY));
  bool relays = prepared_.compiled.terminal && command_.console_socket.empty();
  TRY(supervisor_.start_guard(relays, cgroup_kill.get()));
  launched_.emplace(
      TRY(Launched::start(prepared_.compiled, prepared_.bundle.rootfs.get(), state_.fd(), cgroup_->cgroup())));
  TRY(commit());
  return await_running();
}

Result<std::optional<LaunchFailure>> Run::await_running() {
  for (;;) {
    LaunchEvents events;
    auto failure = await_launch(*launched_, prepared_.compiled, *prepared_.bundle.spec.process, cgroup_->cgroup(),
                                supervisor_.signals(), &events);
    if (failure) return failure;
    TRY(hand_over_terminal(&events));
    TRY(write_pid_file(command_.pid_file, record_.init.pid));  // engines take it for "created"
    if (!events.ready) return std::optional<LaunchFailure>{};
    TRY(release(*launched_));
  }
}

Result<void> Run::hand_over_terminal(LaunchEvents* events) {
  if (!events->terminal) return {};
  if (!command_.console_socket.empty()) return send_console(command_.console_socket, events->terminal.get());
  return supervisor_.attach_terminal(std::move(events->terminal));
}

// Other commands find the container from here on. While this is written, the child is at work on its steps.
Result<void> Run::commit() {
  record_.init = TRY(ProcessIdentity::of(launched_->child().pid, launched_->child().pidfd.get()));
  return state_.write(record_);
}

Result<Outcome> Run::detach() {
  launched_->let_go();
  cgroup_->keep();
  state_.keep();
  return Outcome{};
}

Result<Outcome> Run::supervise() {
  Child& child = launched_->child();
  Ended ended = TRY(supervisor_.run(child.pidfd.get(), child.control.get()));
  if (ended.init_failed) {
    Report report = child.memory.report();
    return Outcome{1, "", "", wrap(step_error(prepared_.compiled.plan, report), "run " + prepared_.id)};
  }
  launched_->let_go();
  int status = WIFSIGNALED(ended.wait_status) ? 128 + WTERMSIG(ended.wait_status) : WEXITSTATUS(ended.wait_status);
  Outcome outcome{status, "", why_it_ended(ended), {}};
  if (ended.output_error != 0 && ended.output_error != EPIPE)  // EPIPE is how `| head` ends
    outcome.error = fail(ended.output_error, "run {}: copy the terminal's output to stdout", prepared_.id);
  auto cleaned = clean_up();
  if (!cleaned.ok()) outcome.error = wrap(cleaned.error(), "clean up after " + prepared_.id);
  return outcome;
}

// To be asked while the cgroup is there: its counters go with it.
std::string Run::why_it_ended(const Ended& ended) {
  const oci::Spec& spec = prepared_.bundle.spec;
  bool limited = spec.linux_.resources && (spec.linux_.resources->memory || !spec.linux_.resources->unified.empty());
  if (ended.wait_status == 0 && !limited) return "";
  DeathFacts facts;
  facts.id = prepared_.id;
  facts.wait_status = ended.wait_status;
  facts.under_init = prepared_.compiled.init && !ended.from_init;
  facts.forwarded_signal = ended.last_forwarded_signal;
  facts.seccomp = spec.linux_.seccomp.has_value();
  auto stats = read_stats(cgroup_->cgroup().fd());
  if (!stats.ok()) {
    log_debug("{}: {}", prepared_.id, stats.error().text());
  } else {
    if (stats->oom_kills) facts.memory = memory_facts(*stats);  // there with the memory controller
    facts.pids_limit_hits = stats->pids_max_hits.value_or(0);
    if (spec.linux_.resources && spec.linux_.resources->pids_limit.value_or(-1) >= 0)
      facts.pids_limit = static_cast<uint64_t>(*spec.linux_.resources->pids_limit);
  }
  return death_line(facts).value_or("");
}

Result<void> Run::clean_up() {
  TRY(cgroup_->remove());
  if (!command_.keep) return state_.remove();
  state_.keep();
  return {};
}

Result<void> check_options(const RunCommand& command) {
  if (command.id) TRY(check_id(*command.id));
  for (uint32_t i = 0; i < command.preserve_fds; i++) {
    if (fcntl(static_cast<int>(3 + i), F_GETFD) < 0)
      return fail(0, "--preserve-fds {}: descriptor {} is not open", command.preserve_fds, 3 + i);
  }
  return {};
}

}  // namespace

Result<Outcome> run_command(const GlobalOptions& global, const RunCommand& command) {
  TRY(check_options(command));
  Supervisor supervisor = TRY(Supervisor::begin());  // before the first side effect: signals are held from here on
  UniqueFd state_root = TRY(open_state_root(global.root, true));
  Prepared prepared = TRY(prepare_run(command, state_root.get()));
  // config.md, "Linux Process": what cannot be granted MUST be logged as a warning.
  for (const std::string& warning : prepared.compiled.warnings)
    report_line("minirun: warning: config.json: " + warning);
  Hierarchy hierarchy = TRY(find_hierarchy());
  auto state = StateDirectory::claim(state_root.get(), prepared.id);
  if (!state.ok()) return wrap(state.error(), "run " + prepared.id);
  Run run(command, prepared, hierarchy, std::move(state).value(), std::move(supervisor));
  auto outcome = run.perform();
  if (!outcome.ok()) return wrap(outcome.error(), "run " + prepared.id);
  return outcome;
}

}  // namespace minirun
