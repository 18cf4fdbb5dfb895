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
  const Child& child = creation_.launched().child();
  return wait_for_ready(relay, "run " + prepared_.id, child.pid, child.pidfd.get(), creation_.supervisor().signals());
}

Result<Outcome> Run::supervise() {
  Child& child = creation_.launched().child();
  if (creation_.notify()) creation_.supervisor().attach_notify(std::move(*creation_.notify()));
  creation_.state().unlock();  // others may kill and delete it while it runs
  Ended ended = TRY(creation_.supervisor().run(child.pid, child.pidfd.get(), child.control.get()));
  if (ended.init_failed) return step_error(prepared_.compiled.plan, child.memory.report());
  creation_.launched().let_go();
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

}  // namespace

Result<Outcome> supervise_to_end(const Prepared& prepared, Creation& creation, bool keep) {
  return Run(prepared, creation, false, keep).supervise();
}

Result<Outcome> perform(const GlobalOptions& global, const RunCommand& command) {
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

}  // namespace minirun
