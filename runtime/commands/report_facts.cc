// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/report_facts.h"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <iterator>

#include "cgroups/hierarchy.h"
#include "runtime/commands/deadline_options.h"
#include "runtime/container/end_page.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/bundle.h"
#include "runtime/text/log.h"
#include "runtime/text/stopwatch.h"
#include "runtime/text/timestamp.h"

namespace minirun {
namespace {

// Signals by which a workload is asked to end.
bool asks_to_end(int signal, int image_stop) {
  constexpr int kUsual[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGKILL};
  return signal == image_stop || std::find(std::begin(kUsual), std::end(kUsual), signal) != std::end(kUsual);
}

uint64_t microseconds(std::chrono::steady_clock::duration span) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(span).count());
}

// What the record says in place of the kernel.
void take_recorded_status(const ContainerRecord& record, ExitReport* report) {
  if (!record.exit_status) return;
  report->exit_status = record.exit_status;
  auto own = record.end ? record.end->wait_status : std::nullopt;
  // The status of a deadline is not the workload's.
  if (!own && record.end && !record.end->limit.empty()) return;
  report->source = StatusSource::record;
  report->own_wait_status = own.has_value();
  constexpr int kExitShift = 8;
  report->death.wait_status = own.value_or(*record.exit_status << kExitShift);
  report->death.under_init = record.resident_init && !report->own_wait_status;
}

// Whether the container's init may say how its workload ended: what else is known of the status agrees. kernel: of the
// init.
bool may_be_true(const OwnEnd& own, std::optional<int> kernel, const ContainerRecord& record) {
  const int status = shell_status(own.wait_status);
  if (kernel) return WIFEXITED(*kernel) && WEXITSTATUS(*kernel) == status;
  return !record.exit_status || *record.exit_status == status;
}

// What the init wrote into the page of the container's end.
void take_own_end(const OwnEnd& own, const ContainerRecord& record, ExitReport* report) {
  report->source = StatusSource::init;
  report->own_wait_status = true;
  report->death.wait_status = own.wait_status;
  report->death.under_init = false;
  report->exit_status = shell_status(own.wait_status);
  report->own_usage = {own.user_us, own.system_us, own.max_rss_bytes};
  auto stop = image_stop_signal(record.annotations);
  if (report->stop.signal == 0 && asks_to_end(own.last_signal, stop.ok() ? *stop : SIGTERM))
    report->stop.signal = own.last_signal;
  if (!report->ended.empty() || own.time.empty()) return;
  report->ended = own.time;
  report->ended_from_init = true;
}

}  // namespace

void ReportClock::start() {
  running_ = Clock::now();
  started_ = now_rfc3339(kMicroseconds);
}

void ReportClock::stop(ExitReport* report) const {
  report->ended = now_rfc3339(kMicroseconds);
  if (!running_) return;
  report->started = started_;
  report->setup_us = microseconds(*running_ - began_);
  report->wall_us = microseconds(Clock::now() - *running_);
}

void take_ending(const Ended& ended, bool under_init, int image_stop, ExitReport* report) {
  DeathFacts& death = report->death;
  death.wait_status = ended.wait_status;
  death.under_init = under_init && !ended.from_init;
  death.forwarded_signal = ended.last_forwarded_signal;
  report->source = ended.from_init ? StatusSource::init : StatusSource::kernel;
  report->own_wait_status = !death.under_init;
  report->limit = cause_of(ended.limit);
  StopFacts& stop = report->stop;
  if (!report->limit.empty()) {
    stop = {image_stop, ended.killed_for_it, {}, {}};
  } else if (asks_to_end(ended.last_forwarded_signal, image_stop)) {
    stop = {ended.last_forwarded_signal, false, ended.sender_pid, ended.sender_uid};
  } else if (asks_to_end(ended.last_of_init, image_stop)) {
    stop.signal = ended.last_of_init;
  }
}

void take_counters(const Cgroup& cgroup, const Baseline* baseline, ExitReport* report) {
  if (cgroup.is_none()) return;
  report->counters = CountersOf::own;
  report->usage = read_usage(cgroup.fd());
  if (baseline != nullptr) report->usage.counters = report->usage.counters.since(baseline->counters);
  take_usage(report->usage, &report->death);
  auto& memory = report->death.memory;
  if (!memory || memory->total.oom_kill == 0 || memory->total.oom > 0) return;
  auto hierarchy = find_hierarchy();
  if (hierarchy.ok())
    take_ancestors(baseline != nullptr ? &baseline->ancestors : nullptr,
                   read_ancestors(*hierarchy, cgroup.record().path), &*memory);
}

ExitReport report_of_run(const Launch& launch, const Container& container, const Ended& ended) {
  const oci::Spec& spec = *launch.prepared().bundle.spec;
  ExitReport report;
  report.command = "run";
  report.death.id = launch.id();
  report.death.seccomp = spec.linux_.seccomp.has_value();
  report.exit_status = container.record.exit_status;
  report.created = container.record.created;
  const auto& baseline = container.record.baseline;
  take_counters(container.cgroup->cgroup(), baseline ? &*baseline : nullptr, &report);
  // For the line on stderr: as in config.json, without the one that minirun adds for its init.
  if (spec.linux_.resources && spec.linux_.resources->pids_limit.value_or(-1) >= 0)
    report.death.pids_limit = static_cast<uint64_t>(*spec.linux_.resources->pids_limit);
  auto stop = image_stop_signal(spec.annotations);
  take_ending(ended, launch.prepared().compiled.init, stop.ok() ? *stop : SIGTERM, &report);
  return report;
}

ExitReport report_of_failure(const std::string& command, const std::string& id, const Error& error) {
  ExitReport report;
  report.command = command;
  report.death.id = id;
  report.exit_status = error.exit_status;
  report.error = error;
  report.timing = timing_so_far();
  return report;
}

ExitReport report_of_ended(const std::string& command, const Container& found, std::optional<int> wait_status) {
  const ContainerRecord& record = found.record;
  ExitReport report;
  report.command = command;
  report.death.id = record.id;
  if (is_rfc3339(record.created)) report.created = record.created;
  auto config = found.state.read_config();
  auto parsed = config.ok() ? parse_config(*config) : Result<Bundle>(config.error());
  report.death.seccomp = parsed.ok() && parsed->spec->linux_.seccomp.has_value();
  auto cgroup = find_cgroup(found);
  if (!cgroup.ok()) log_debug("{}: {}", record.id, cgroup.error().text());
  if (cgroup.ok() && *cgroup)
    take_counters(**cgroup, record.baseline ? &*record.baseline : nullptr, &report);
  else if (!record.cgroup.path.empty())
    report.counters = CountersOf::gone;
  if (wait_status) {
    report.source = StatusSource::kernel;
    report.own_wait_status = !record.resident_init;
    report.death.wait_status = *wait_status;
    report.death.under_init = record.resident_init;
    report.exit_status = record.exit_status ? record.exit_status : shell_status(*wait_status);
  } else {
    take_recorded_status(record, &report);
  }
  if (record.end) {
    report.limit = record.end->limit;
    report.stop = {record.end->stop_signal, record.end->killed, {}, {}};
    report.ended = record.end->time;
  }
  const bool recorded = record.end && (record.end->wait_status || !record.end->limit.empty());
  auto own = recorded ? std::nullopt : read_end_page(found.state, record);
  if (own && may_be_true(*own, wait_status, record)) take_own_end(*own, record, &report);
  report.runtime_killed = record.attached && !record.exit_status && found.status != ContainerStatus::creating;
  return report;
}

}  // namespace minirun
