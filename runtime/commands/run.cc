// SPDX-License-Identifier: Apache-2.0
// `minirun run`: the whole life of a container in one command.
#include "runtime/commands/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>

#include "cgroups/stats.h"
#include "runtime/commands/background.h"
#include "runtime/commands/deadline_options.h"
#include "runtime/commands/launch_options.h"
#include "runtime/commands/notify_wait.h"
#include "runtime/commands/report_facts.h"
#include "runtime/commands/report_target.h"
#include "runtime/commands/timing_option.h"
#include "runtime/diagnosis/death.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/oci/annotations.h"
#include "runtime/supervise/supervisor.h"
#include "runtime/text/log.h"
#include "runtime/text/output.h"
#include "runtime/text/random_id.h"
#include "runtime/text/status_events.h"
#include "runtime/text/stopwatch.h"
#include "runtime/text/timestamp.h"

namespace minirun {
namespace {

struct RunCommand {
  LaunchOptions launch;
  DeadlineOptions deadline;
  std::optional<std::string> bundle;   // that of --bundle
  std::vector<std::string> arguments;  // [BUNDLE] [ID]
  std::optional<std::string> id;       // not given: one is made up
  bool detach = false;
  bool keep = false;
  bool no_init = false;
  bool explain_seccomp = false;
  ReportOption report;
  TimingOption timing;

  Descriptors descriptors() const {
    Descriptors descriptors = descriptors_of(launch);
    descriptors.report = report;
    return descriptors;
  }
  bool stays() const { return detach && deadline.any(); }
};

void describe(Options& options, RunCommand& command) {
  options.flag("-d,--detach", command.detach, "return once the workload runs");
  options.flag("--keep", command.keep, "keep the container's state after its end, for wait and state");
  options.flag("--no-init", command.no_init, "run the workload as PID 1, without minirun's init");
  options.flag("--explain-seccomp", command.explain_seccomp,
               "for debugging: say at the end which calls the seccomp filter refused, to which program, by which rule");
  describe_strict(options, command.launch.strict);
  options.value("-b,--bundle", "DIR", command.bundle, kBundleText);
  describe_without_bundle(options, command.launch);
  describe_report(options, command.report);
  describe_timing(options, command.timing);
  describe(options, command.deadline);
  describe_overlay(options, command.launch);
  options.bundle_and_id(command.arguments);
}

// A single argument is a bundle if it looks like one, as in `minirun run bundle/`; else it is an id, as in runc.
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

Result<Reporting> begin_reporting(const GlobalOptions& global, const RunCommand& command) {
  if (!command.report || !command.detach) return Reporting::begin(global, command.report);
  return fail(ErrorKind::usage,
              "--report cannot be used with --detach, which does not wait for the end: wait --format json and delete "
              "--report report it, and so does the annotation {}",
              annotation_key(Annotation::report));
}

Result<void> check_explain(const RunCommand& command) {
  if (!command.explain_seccomp || !command.detach) return {};
  return fail(ErrorKind::usage,
              "--explain-seccomp cannot be used with --detach: minirun itself answers for the seccomp filter, and says "
              "at the end what it refused");
}

Result<Launch> prepare(const GlobalOptions& global, const RunCommand& command) {
  LaunchRequest request{.options = command.launch, .detach = command.detach, .init = !command.no_init};
  request.report = command.report.has_value();
  request.explain_seccomp = command.explain_seccomp;
  request.deadline = TRY(read_deadline(command.deadline));
  request.stays = command.stays();
  if (request.stays && !TRY(own_notify_socket()).empty())
    return fail(
        ErrorKind::usage,
        "--detach with --timeout or --cpu-time cannot be used under NOTIFY_SOCKET: the service manager keeps the "
        "time of a service itself (RuntimeMaxSec= of systemd)");
  request.id = command.id ? *command.id : TRY(make_up_id());
  return Launch::prepare(std::move(request), global.root, cgroup_driver(global));
}

// Returns when its workload ends.
Result<Ended> supervise(Launch& launch, Container& container) {
  const Child& child = container.process->child();
  if (launch.notify()) launch.supervisor().attach_notify(std::move(*launch.notify()));
  container.state.unlock();  // others may kill and delete it while it runs
  begin_phase("workload");
  Ended ended = TRY(launch.supervisor().run(child.pid, child.pidfd.get(), child.control.get()));
  begin_phase("explanation");
  if (ended.init_failed) return step_error(launch.prepared().compiled.plan, child.memory.report());
  container.process->detach();
  container.record.exit_status = ended.limit == TimeLimit::none ? shell_status(ended.wait_status) : kTimedOutStatus;
  log_progress("{}: ended with status {}", container.record.id, *container.record.exit_status);
  return ended;
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

// Call it before the cgroup is removed, whose counters it reads.
std::string explain(const Prepared& prepared, const Container& container, const Ended& ended, bool killed_for_filter) {
  const oci::Spec& spec = *prepared.bundle.spec;
  bool limited = spec.linux_.resources && (spec.linux_.resources->memory || !spec.linux_.resources->unified.empty());
  if (ended.wait_status == 0 && !limited) return "";
  DeathFacts facts;
  facts.id = prepared.id;
  facts.wait_status = ended.wait_status;
  facts.under_init = prepared.compiled.init && !ended.from_init;
  facts.forwarded_signal = ended.last_forwarded_signal;
  facts.seccomp = spec.linux_.seccomp.has_value();
  facts.killed_for_filter = killed_for_filter;
  auto stats = read_stats(container.cgroup->cgroup().fd());
  if (!stats.ok()) {
    log_debug("{}: {}", prepared.id, stats.error().text());
  } else {
    if (stats->oom_kills) facts.memory = memory_facts(*stats);  // there with the memory controller
    facts.pids_limit_hits = stats->pids_max_hits.value_or(0);
    if (spec.linux_.resources && spec.linux_.resources->pids_limit.value_or(-1) >= 0)
      facts.pids_limit = static_cast<uint64_t>(*spec.linux_.resources->pids_limit);
  }
  return death_line(facts).value_or("");
}

void print_refusals(const std::string& id, const std::optional<Refusals>& refusals) {
  if (!refusals) return;
  for (const std::string& line : refusal_lines(id, *refusals)) report_line(line);
}

// For a later report.
EndRecord end_of(const Ended& ended) {
  ExitReport report;
  take_ending(ended, false, SIGTERM, &report);
  EndRecord end{{}, report.limit, report.stop.signal, report.stop.killed, now_rfc3339(kMicroseconds)};
  if (ended.from_init) end.wait_status = ended.wait_status;
  return end;
}

// Leaves it running. Under a service manager, minirun ends only when the service is ready.
Result<Outcome> let_run(Launch& launch, Container& container) {
  container.detach();
  if (!launch.notify()) return Outcome{};
  begin_phase("readiness");
  container.state.unlock();
  return wait_for_ready(*launch.notify(), "run " + container.record.id, container.record.init.pid, container.pidfd(),
                        launch.supervisor().signals());
}

}  // namespace

Result<Outcome> supervise_to_end(Launch& launch, Container& container, const ForegroundRun& run) {
  const std::string& id = container.record.id;
  Ended ended = TRY(supervise(launch, container));
  const std::string limit = describe_limit(run.deadline, ended);
  const oci::StringMap& annotations = container.record.annotations;
  const std::optional<Refusals> refusals = launch.take_refusals();
  const bool killed_for_filter = refusals && refusals->main_killed;
  std::optional<ExitReport> report;
  if (run.reporting.wanted(annotations)) {
    report = report_of_run(launch, container, ended);
    report->command = run.command;
    report->death.killed_for_filter = killed_for_filter;
    report->refusals = refusals;
    run.clock.stop(&*report);
  }
  Outcome outcome{*container.record.exit_status};
  if (!limit.empty())
    outcome.note = fmt::format("minirun: {}: {}", id, limit);
  else
    outcome.note = report ? death_line(report->death).value_or("")
                          : explain(launch.prepared(), container, ended, killed_for_filter);
  if (run.keep) container.record.end = end_of(ended);
  if (run.keep && report) container.record.end->reported = true;
  auto removed = remove_own(container, run.keep ? Removal::but_record : Removal::whole);
  begin_phase("end");
  // A later failure does not change the workload's status.
  if (!removed.ok())
    report_error(wrap(removed.error(), "clean up after " + id));
  else if (ended.output_error != 0 && ended.output_error != EPIPE)  // EPIPE is how `| head` ends
    report_error(fail(ended.output_error, "run {}: copy the terminal's output to stdout", id));
  if (report) report->timing = timing_so_far();
  print_refusals(id, refusals);
  if (report) run.reporting.write(*report, annotations);
  bool in_event = report && run.reporting.is_asked();
  status_exited(id, ended.wait_status, outcome.status, cause_of(ended.limit),
                in_event ? [&](JsonWriter& json) { write_report(json, *report); } : ReportWriter());
  if (removed.ok() && !run.keep) log_progress("{}: nothing is left", id);
  return outcome;
}

namespace {

// Runs after its caller has gone, until the workload ends or its time is over. `delete` removes the rest, as for any
// detached container. An error also ends the processes.
Result<Outcome> keep_to_end(Launch& launch, Container& container) {
  container.state.detach();
  Ended ended = TRY(supervise(launch, container));
  const Cgroup& cgroup = container.cgroup->cgroup();
  TRY(cgroup.kill());  // the others, unless their pid namespace has ended
  TRY(cgroup.wait_until_empty(std::chrono::steady_clock::now() + kRemovalTime));
  container.detach();
  const EndRecord end = end_of(ended);
  auto remembered = remember_exit(container, container.record.exit_status, end);
  while (!remembered.ok() && remembered.error().kind == ErrorKind::busy)
    remembered = remember_exit(container, container.record.exit_status, end);
  TRY(remembered);
  return Outcome{};
}

// caller: gets the answer of a process in the background; null in the foreground.
Result<Outcome> perform_launched(const RunCommand& command, Launch& launch, ForegroundRun* run, TimedCommand& timed,
                                 Background* caller) {
  auto named = [&](auto result) {
    return result.ok() ? std::move(result) : wrap(result.error(), "run " + launch.id());
  };
  OwnedContainer container = TRY(named(launch.create()));
  TRY(named(launch.start(*container)));
  status_running(launch.id(), container->record.init.pid);
  run->clock.start();
  end_setup();
  // Engines read a runtime's output: never print an id that the caller gave.
  std::string made_up = command.id ? "" : launch.id() + "\n";
  if (caller != nullptr) {
    container->state.unlock();
    timed.print();
    TRY(named(caller->answer(made_up)));
    return named(keep_to_end(launch, *container));
  }
  if (!command.detach) return named(supervise_to_end(launch, *container, *run));
  auto outcome = named(let_run(launch, *container));
  if (made_up.empty()) return outcome;
  if (outcome.ok()) {
    outcome->out = made_up;
  } else if (auto written = write_output(made_up); !written.ok()) {
    report_error(written.error());
  }
  return outcome;
}

Result<Outcome> perform_here(const GlobalOptions& global, const RunCommand& command, Background* caller) {
  TimedCommand timed(command.timing, "run", command.id.value_or(""));
  TRY(check_launch_options(command.launch));  // before a descriptor is opened that they could mean
  Reporting reporting = TRY(begin_reporting(global, command));
  ForegroundRun run{"run", command.keep, command.deadline, reporting};
  auto launch = prepare(global, command);
  if (!launch.ok()) {
    std::string id = command.id.value_or("");
    if (reporting.is_asked()) reporting.write(report_of_failure("run", id, launch.error()), {});
    return launch.error();
  }
  name_timing(launch->id());
  auto performed = perform_launched(command, *launch, &run, timed, caller);
  const std::optional<Refusals> refusals = performed.ok() ? std::nullopt : launch->take_refusals();
  print_refusals(launch->id(), refusals);
  const oci::StringMap& annotations = launch->prepared().bundle.spec->annotations;
  if (!performed.ok() && !command.detach && reporting.wanted(annotations)) {
    ExitReport report = report_of_failure("run", launch->id(), performed.error());
    report.refusals = refusals;
    run.clock.stop(&report);
    reporting.write(report, annotations);
  }
  return performed;
}

Result<Outcome> perform(const GlobalOptions& global, const RunCommand& given) {
  const RunCommand command = with_arguments(given);
  TRY(check_explain(command));
  if (!command.stays()) return perform_here(global, command, nullptr);
  TRY(begin_reporting(global, command));
  Descriptors descriptors = command.descriptors();
  return Background::go_on(global, descriptors,
                           [&](Background& caller) { return perform_here(global, command, &caller); });
}

}  // namespace

constexpr ExitStatus kRunStatuses[] = {
    {"N", "the workload's own status; 0 with --detach"},
    {"128+N", "signal N ended the workload, or the launch was given up for it"},
    {"124", "--timeout or --cpu-time ended the workload, or --timeout the launch"},
    {"127", "the program, or the interpreter that it names, does not exist"},
    {"126", "the program exists but cannot be executed"},
    {"1", "minirun failed; one line on stderr says why"},
};

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
          "workload is PID 1, which systemd and s6 need. A container that joins a pid namespace by path has no init "
          "of its own.\n\n"
          "--timeout counts from the start of the command, set-up and hooks included, and also while the container is "
          "paused. When the time is over, the first process gets the stop signal (the image's, or TERM), and after "
          "--grace everything in the container is killed, whatever it does. One line on stderr says so. With --detach "
          "a process of minirun stays in the background and keeps the time; if that is killed, so is the container.\n\n"
          "With --overlay the container changes an overlay in memory, and the rootfs stays as it is, to the byte. With "
          "--keep-changes the changes are in DIR: files, and whiteouts (character devices 0:0) for what was removed. A "
          "failed launch leaves DIR as it was.\n\n"
          "--timing prints a table in microseconds: the phases of minirun, which add up to the whole time, and the "
          "steps of `minirun plan`, which the container's side makes and times meanwhile. waited_us is the time off "
          "the CPU. docs/explain.md describes both. The table comes after a failure too, and names the step that "
          "failed.\n\n"
          "With --explain-seccomp the seccomp filter asks minirun where it would refuse a call. minirun answers what "
          "the profile says, and at the end prints a line for each kind of refused call: how often, to which program, "
          "the errno, and the rule's place in config.json. Where the profile kills, minirun kills by SIGKILL. It is "
          "for debugging, and not for profiles with a listener.\n\n"
          "When the workload is killed, one line on stderr names the cause: the memory limit, a signal, a seccomp "
          "filter. --report writes what is known of the end as JSON, also if the launch fails: the cause, the status, "
          "what was used (docs/explain.md). FILE is replaced as a whole. A report that cannot be written is a warning, "
          "and never changes the exit status.",
      .examples = {{{"minirun run bundle/", "run in the foreground; the exit status is the workload's"},
                    {"minirun run -d --pid-file web.pid bundle/ web1",
                     "run web1 in the background and write its pid to web.pid"}}},
      .exit_statuses = kRunStatuses,
  });
}

}  // namespace minirun
