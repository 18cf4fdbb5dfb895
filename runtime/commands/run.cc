// SPDX-License-Identifier: Apache-2.0
// `minirun run`: the whole life of a container in one command.
#include "runtime/commands/run.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "cgroups/hierarchy.h"
#include "cgroups/stats.h"
#include "runtime/commands/launch_options.h"
#include "runtime/commands/notify_wait.h"
#include "runtime/compile/compile.h"
#include "runtime/container/state_directory.h"
#include "runtime/diagnosis/death.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/launch/create.h"
#include "runtime/launch/prepare.h"
#include "runtime/launch/rootless.h"
#include "runtime/supervise/supervisor.h"
#include "runtime/text/log.h"
#include "runtime/text/output.h"
#include "runtime/text/random_id.h"

namespace minirun {
namespace {

struct RunCommand {
  LaunchOptions launch;
  std::optional<std::string> bundle;   // that of --bundle
  std::vector<std::string> arguments;  // [BUNDLE] [ID]
  std::optional<std::string> id;       // not given: one is made up
  bool detach = false;
  bool keep = false;
  bool no_init = false;

  uint64_t descriptors() const { return descriptors_of(launch); }
};

void describe(Options& options, RunCommand& command) {
  options.flag("-d,--detach", command.detach, "return once the workload runs");
  options.flag("--keep", command.keep, "keep the container's state after its end, for wait and state");
  options.flag("--no-init", command.no_init, "run the workload as PID 1, without minirun's init");
  options.value("-b,--bundle", "DIR", command.bundle, kBundleText);
  describe_without_bundle(options, command.launch);
  options.bundle_and_id(command.arguments);
}

// One argument alone is a bundle if it looks like one, as in `minirun run bundle/`; else it is an id, as runc has it.
RunCommand with_arguments(RunCommand command) {
  const auto& given = command.arguments;
  if (command.bundle) {
    command.launch.bundle = *command.bundle;
    if (!given.empty()) command.id = given.back();
    return command;
  }
  if (given.empty()) return command;
  const std::string& first = given[0];
  bool is_bundle = given.size() == 2 || first.find('/') != std::string::npos || first == "." || first == ".." ||
                   access((first + "/config.json").c_str(), F_OK) == 0;
  (is_bundle ? command.launch.bundle : command.id.emplace()) = first;
  if (given.size() == 2) command.id = given[1];
  return command;
}

MemoryFacts memory_facts(const CgroupStats& stats) {
  MemoryFacts facts;
  facts.total.oom = stats.oom_events.value_or(0);
  facts.total.oom_kill = stats.oom_kills.value_or(0);
  facts.local.oom = stats.oom_events_local.value_or(0);
  facts.limit_bytes = stats.memory_max_bytes;
  facts.peak_bytes = stats.memory_peak_bytes;
  return facts;
}

// One run, from the claimed id to its end.
class Run {
 public:
  Run(const Prepared& prepared, Creation& creation, bool detach, bool keep)
      : prepared_(prepared), creation_(creation), detach_(detach), keep_(keep) {}

  Result<Outcome> perform();
  Result<Outcome> supervise();
  // Whether it runs without this process.
  bool lives_on() const { return lives_on_; }

 private:
  Result<Outcome> await_notification();
  std::string why_it_ended(const Ended& ended);
  Result<void> clean_up();

  const Prepared& prepared_;
  Creation& creation_;
  bool detach_;
  bool keep_;
  bool lives_on_ = false;
};

Result<Outcome> Run::perform() {
  TRY(creation_.launch(!detach_));
  if (!detach_) return supervise();
  creation_.keep();
  lives_on_ = true;
  if (creation_.notify()) return await_notification();
  return Outcome{};
}

// minirun's end is the word that the service is there.
Result<Outcome> Run::await_notification() {
  creation_.state().unlock();
  NotifyRelay& relay = *creation_.notify();
  const Child& child = creation_.process().child();
  return wait_for_ready(relay, "run " + prepared_.id, child.pid, child.pidfd.get(), creation_.supervisor().signals());
}

Result<Outcome> Run::supervise() {
  const Child& child = creation_.process().child();
  if (creation_.notify()) creation_.supervisor().attach_notify(std::move(*creation_.notify()));
  creation_.state().unlock();  // others may kill and delete it while it runs
  Ended ended = TRY(creation_.supervisor().run(child.pid, child.pidfd.get(), child.control.get()));
  if (ended.init_failed) return step_error(prepared_.compiled.plan, child.memory.report());
  creation_.process().detach();
  int status = shell_status(ended.wait_status);
  log_progress("{}: ended with status {}", prepared_.id, status);
  creation_.record().exit_status = status;
  Outcome outcome{status, "", why_it_ended(ended)};
  auto cleaned = clean_up();
  // Whatever fails from here on, the workload has ended as it did.
  if (!cleaned.ok())
    report_error(wrap(cleaned.error(), "clean up after " + prepared_.id));
  else if (ended.output_error != 0 && ended.output_error != EPIPE)  // EPIPE is how `| head` ends
    report_error(fail(ended.output_error, "run {}: copy the terminal's output to stdout", prepared_.id));
  if (cleaned.ok() && !keep_) log_progress("{}: nothing is left", prepared_.id);
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
  auto stats = read_stats(creation_.cgroup().cgroup().fd());
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
  StateDirectory& state = creation_.state();
  auto locked = state.lock();
  bool deleted = !locked.ok() && is_no_container(locked.error());
  if (deleted) {  // by another command, directory and all
    state.keep();
    creation_.host_side().keep();
    creation_.leave_hooks();
  }
  auto removed = creation_.cgroup().remove();
  if (!removed.ok()) {  // for delete --force, once the kernel lets them die
    state.keep();
    creation_.leave_hooks();
  }
  if (deleted || !removed.ok()) return removed;
  if (!locked.ok() &&
      locked.error().kind == ErrorKind::busy) {  // another command has it: it is that one's to end, or delete's
    state.keep();
    creation_.leave_hooks();
  }
  if (!locked.ok()) return locked.error();
  TRY(creation_.host_side().remove());
  if (!keep_) {
    creation_.run_poststop();
    return state.remove();
  }
  creation_.leave_hooks();  // delete runs them
  state.keep();
  return state.write(creation_.record());  // for `wait`: how it ended
}

Result<Outcome> perform(const GlobalOptions& global, const RunCommand& given) {
  const RunCommand command = with_arguments(given);
  if (command.id) TRY(check_id(*command.id));
  TRY(check_launch_options(command.launch));
  bool entered = TRY(enter_user_namespace(command.launch.bundle));  // before anything is opened
  Supervisor supervisor = TRY(Supervisor::begin());  // before the first side effect: signals are held from here on
  UniqueFd state_root = TRY(open_state_root(global.root, true));
  LaunchRequest request;
  request.options = command.launch;
  request.id = command.id ? *command.id : TRY(make_up_id());
  request.detach = command.detach;
  request.init = !command.no_init;
  request.entered = entered;
  Prepared prepared = TRY(prepare_launch(request, state_root.get()));
  report_warnings(prepared);
  Hierarchy hierarchy = TRY(find_hierarchy());
  auto state = StateDirectory::claim(state_root.get(), prepared.id);
  if (!state.ok()) return wrap(state.error(), "run " + prepared.id);
  Creation creation(command.launch, prepared, hierarchy, std::move(state).value(), std::move(supervisor),
                    cgroup_driver(global));
  Run run(prepared, creation, command.detach, command.keep);
  auto outcome = run.perform();
  // Never one that the caller has given: engines read what a runtime prints.
  std::string made_up = run.lives_on() && !command.id ? prepared.id + "\n" : "";
  if (!outcome.ok()) {
    auto written = made_up.empty() ? Result<void>() : write_output(made_up);
    if (!written.ok()) report_error(written.error());
    return wrap(outcome.error(), "run " + prepared.id);
  }
  outcome->out = made_up;
  return outcome;
}

}  // namespace

Result<Outcome> supervise_to_end(const Prepared& prepared, Creation& creation, bool keep) {
  return Run(prepared, creation, false, keep).supervise();
}

Command run_command() {
  return Command::of<RunCommand, describe, perform>({
      .summary = "create and start a container, wait for it, return its exit status",
      .arguments = "[BUNDLE] [ID]",
      .description =
          "Creates the container that BUNDLE/config.json describes, starts it, and stays in the foreground: signals go "
          "to the workload, the terminal is the workload's, and nothing is left when it ends. One argument is the "
          "bundle if it contains a slash or is a directory with a config.json; otherwise it is the ID. Without an ID "
          "minirun makes one of twelve random hexadecimal digits, and with --detach prints it once the workload "
          "runs.\n\n"
          "minirun's own init runs as PID 1. It reaps orphans and forwards each signal once. With --no-init the "
          "workload is PID 1, as systemd and s6 want it. A container that joins a pid namespace by path has no init "
          "of its own.\n\n"
          "When the workload is killed, one line on stderr names the cause: the memory limit, a signal, a seccomp "
          "filter.",
      .examples = {{{"minirun run bundle/", "run in the foreground; the exit status is the workload's"},
                    {"minirun run -d --pid-file web.pid bundle/ web1",
                     "run web1 in the background and write its pid to web.pid"}}},
      .exit_statuses = kWorkloadStatuses,
  });
}

}  // namespace minirun
