// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/exit_report.h"

#include <algorithm>
#include <csignal>
#include <string_view>

#include "runtime/diagnosis/exit_status.h"
#include "runtime/diagnosis/timing_table.h"
#include "runtime/text/error_json.h"

namespace minirun {
namespace {

const char* cause_name(Cause cause) {
  constexpr const char* kNames[] = {"",         "exited",      "signal",       "oom",     "seccomp",       "timeout",
                                    "cpu-time", "exec-failed", "setup-failed", "stopped", "runtime-killed"};
  return kNames[static_cast<size_t>(cause)];
}

Cause cause_of_failure(const Error& error) {
  if (error.kind == ErrorKind::exec) return Cause::exec_failed;
  if (error.kind != ErrorKind::aborted) return Cause::setup_failed;
  return error.exit_status == kTimedOutStatus ? Cause::timeout : Cause::stopped;
}

bool was_killed_for_memory(const ExitReport& report, const Ending& ending) {
  bool oom = report.death.memory && report.death.memory->total.oom_kill > 0;
  return oom && ending.signal == SIGKILL && !report.death.killed_for_filter && report.stop.signal != SIGKILL &&
         !report.stop.killed;
}

void write_status(JsonWriter& json, const ExitReport& report) {
  constexpr const char* kSources[] = {"", "kernel", "init", "record"};
  if (report.exit_status) json.key("exit_status").number(*report.exit_status);
  if (report.source == StatusSource::unknown) return;
  if (report.own_wait_status) json.key("wait_status").number(report.death.wait_status);
  json.key("status_from").string(kSources[static_cast<size_t>(report.source)]);
  const Ending ending = ending_of(report.death);
  if (ending.signal == 0 || ending.assumed) return;
  json.key("signal").begin_object().key("number").number(ending.signal);
  json.key("name").string(signal_text(ending.signal));
  if (ending.core_dumped) json.key("core_dumped").boolean(true);
  json.end_object();
}

void write_stop(JsonWriter& json, const StopFacts& stop) {
  if (stop.signal == 0) return;
  json.key("stop").begin_object().key("signal").number(stop.signal).key("name").string(signal_text(stop.signal));
  json.key("killed").boolean(stop.killed);
  if (stop.pid) json.key("pid").number(*stop.pid);
  if (stop.uid) json.key("uid").number(*stop.uid);
  json.end_object();
}

void write_oom(JsonWriter& json, const ExitReport& report) {
  const auto& memory = report.death.memory;
  if (!memory || memory->total.oom_kill == 0) return;
  const Ending ending = ending_of(report.death);
  json.key("oom").begin_object().key("kills").unsigned_number(memory->total.oom_kill);
  if (report.source != StatusSource::unknown)
    json.key("main").boolean(was_killed_for_memory(report, ending) && !ending.assumed);
  const char* limit = memory->local.oom > 0       ? "own"
                      : memory->total.oom > 0     ? "below"
                      : !memory->ancestor.empty() ? "ancestor"
                      : memory->host              ? "host"
                                                  : "";
  json.known("limit", limit);
  if (std::string_view(limit) == "ancestor") json.key("cgroup").string(memory->ancestor);
  json.end_object();
}

void write_memory(JsonWriter& json, const ExitReport& report) {
  const Usage& usage = report.usage;
  if (!usage.memory_peak_bytes && !usage.memory_max_bytes && !usage.swap_peak_bytes) return;
  json.key("memory").begin_object();
  // Peaks are those of the whole life of the container.
  if (report.counters == CountersOf::own) json.known("peak_bytes", usage.memory_peak_bytes);
  json.known("limit_bytes", usage.memory_max_bytes);
  if (report.counters == CountersOf::own) json.known("swap_peak_bytes", usage.swap_peak_bytes);
  json.end_object();
}

void write_cpu(JsonWriter& json, const UsageCounters& counters) {
  if (!counters.cpu_us) return;
  json.key("cpu").begin_object();
  json.known("usage_us", counters.cpu_us);
  json.known("user_us", counters.user_us);
  json.known("system_us", counters.system_us);
  json.known("periods", counters.periods);
  json.known("throttled_periods", counters.throttled_periods);
  json.known("throttled_us", counters.throttled_us);
  json.end_object();
}

void write_own_usage(JsonWriter& json, const OwnUsage& usage) {
  if (!usage.any()) return;
  json.key("rusage").begin_object().key("from").string("init");
  json.known("user_us", usage.user_us);
  json.known("system_us", usage.system_us);
  json.known("max_rss_bytes", usage.max_rss_bytes);
  json.end_object();
}

void write_pids(JsonWriter& json, const ExitReport& report) {
  const Usage& usage = report.usage;
  if (!usage.pids_peak && !usage.pids_max && !usage.counters.pids_hits) return;
  json.key("pids").begin_object();
  if (report.counters == CountersOf::own) json.known("peak", usage.pids_peak);
  json.known("limit", usage.pids_max);
  json.known("limit_hits", usage.counters.pids_hits);
  json.end_object();
}

void write_io(JsonWriter& json, const UsageCounters& counters) {
  if (!counters.read_bytes && !counters.write_bytes) return;
  json.key("io").begin_object();
  json.known("read_bytes", counters.read_bytes);
  json.known("write_bytes", counters.write_bytes);
  json.end_object();
}

void write_pressure(JsonWriter& json, const UsageCounters& counters) {
  if (!counters.cpu_some_us && !counters.memory_some_us && !counters.io_some_us) return;
  auto write = [&](const char* key, const std::optional<uint64_t>& some, const std::optional<uint64_t>& full) {
    if (!some) return;
    json.key(key).begin_object();
    json.known("some_us", some);
    json.known("full_us", full);
    json.end_object();
  };
  json.key("pressure").begin_object();
  write("cpu", counters.cpu_some_us, std::nullopt);  // "full" is always 0 (Documentation/accounting/psi.rst)
  write("memory", counters.memory_some_us, counters.memory_full_us);
  write("io", counters.io_some_us, counters.io_full_us);
  json.end_object();
}

void write_counters(JsonWriter& json, const ExitReport& report) {
  constexpr const char* kNames[] = {"none", "own", "container", "gone"};
  json.key("counters").string(kNames[static_cast<size_t>(report.counters)]);
  write_oom(json, report);
  write_memory(json, report);
  write_cpu(json, report.usage.counters);
  write_pids(json, report);
  write_io(json, report.usage.counters);
  write_pressure(json, report.usage.counters);
}

void write_times(JsonWriter& json, const ExitReport& report) {
  json.key("times").begin_object();
  json.known("created", report.created);
  json.known("started", report.started);
  json.known("ended", report.ended);
  if (report.ended_from_init) json.key("ended_from").string("init");
  json.known("setup_us", report.setup_us);
  json.known("wall_us", report.wall_us);
  json.end_object();
}

}  // namespace

Cause cause_of(const ExitReport& report) {
  // An error of what ran says nothing about the workload's end.
  if (report.error) return report.started.empty() ? cause_of_failure(*report.error) : Cause::unknown;
  if (report.limit == "timeout") return Cause::timeout;
  if (report.limit == "cpu-time") return Cause::cpu_time;
  if (report.source == StatusSource::unknown) {
    if (report.runtime_killed) return Cause::runtime_killed;
    return report.stop.signal != 0 ? Cause::stopped : Cause::unknown;
  }
  const Ending ending = ending_of(report.death);
  if (was_killed_by_filter(report.death, ending)) return Cause::seccomp;
  if (was_killed_for_memory(report, ending)) return Cause::oom;
  const bool own_signal = ending.signal != 0 && !ending.assumed;
  const StopFacts& stop = report.stop;
  // A workload that ended by another signal than it was asked by (a crash) was not stopped.
  if (stop.signal != 0 && (!own_signal || ending.signal == stop.signal || (stop.killed && ending.signal == SIGKILL)))
    return Cause::stopped;
  return own_signal ? Cause::signal : Cause::exited;
}

void write_report(JsonWriter& json, const ExitReport& report) {
  json.begin_object().key("id").string(report.death.id).key("command").string(report.command);
  json.known("cause", cause_name(cause_of(report)));
  write_status(json, report);
  write_stop(json, report.stop);
  if (report.error) {
    json.key("error").begin_object().key("msg").string(report.error->text());
    write_error_keys(json, *report.error);
    json.end_object();
  }
  if (report.refusals && !report.refusals->lost) {
    json.key("seccomp");
    write_refusals(json, *report.refusals);
  }
  if (!report.error || report.counters == CountersOf::own) write_counters(json, report);
  write_own_usage(json, report.own_usage);
  write_times(json, report);
  if (report.timing) write_timing(json.key("timing"), *report.timing);
  json.end_object();
}

std::string report_line_of(const ExitReport& report) {
  JsonWriter json;
  write_report(json, report);
  return json.take() + "\n";
}

void take_usage(const Usage& usage, DeathFacts* facts) {
  const UsageCounters& counters = usage.counters;
  facts->pids_limit = usage.pids_max;
  facts->pids_limit_hits = counters.pids_hits.value_or(0);
  if (!counters.oom_kill) return;  // there with the memory controller
  MemoryFacts memory;
  memory.total = {counters.oom.value_or(0), *counters.oom_kill};
  memory.local.oom = counters.oom_local.value_or(0);
  memory.limit_bytes = usage.memory_max_bytes;
  memory.peak_bytes = usage.memory_peak_bytes;
  facts->memory = memory;
}

void take_ancestors(const Ancestors* before, const Ancestors& now, MemoryFacts* memory) {
  for (const LimitedAncestor& ancestor : now.limited) {
    if (ancestor.ooms == 0) continue;
    if (before == nullptr) return;  // it may have been long before
    auto old = std::find_if(before->limited.begin(), before->limited.end(),
                            [&](const LimitedAncestor& other) { return other.path == ancestor.path; });
    if (old != before->limited.end() && ancestor.ooms <= old->ooms) continue;
    memory->ancestor = ancestor.path;
    return;
  }
  memory->host = now.whole;
}

}  // namespace minirun
