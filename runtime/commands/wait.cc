// SPDX-License-Identifier: Apache-2.0
// `minirun wait`: waits until a container ends.
#include <fmt/format.h>

#include <cerrno>
#include <chrono>

#include "runtime/commands/command.h"
#include "runtime/commands/report_facts.h"
#include "runtime/container/container.h"
#include "runtime/container/end_page.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/text/log.h"
#include "runtime/text/timestamp.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

constexpr ExitStatus kWaitStatuses[] = {
    {"N", "the workload's own status, or 128+N when signal N ended it"},
    {"1", "the status is not known, or minirun failed; one line on stderr says why"},
};

struct WaitCommand {
  std::string id;
  std::string format = "text";
};

void describe(Options& options, WaitCommand& command) {
  options.choice("-f,--format", {"text", "json"}, command.format, "json: print a report of the end on stdout");
  options.id(command.id);
}

// A timekeeper records how the workload ended. The kernel does not know that its time was over.
Result<std::optional<int>> recorded_by_keeper(const Container& found) {
  if (found.record.keepers.empty()) return std::optional<int>();
  auto keeper = open_process(found.record, found.record.keepers.front());
  if (!keeper.ok() && keeper.error().code != ENOENT) return keeper.error();
  if (keeper.ok()) TRY(await_end(keeper->get(), std::chrono::steady_clock::now() + kLockTime));
  auto record = found.state.read();
  return record.ok() ? record->exit_status : std::optional<int>();  // deleted meanwhile
}

// What the container's init wrote before it ended.
std::optional<int> written_by_init(const Container& found) {
  auto own = read_end_page(found.state, found.record);
  return own ? std::optional(shell_status(own->wait_status)) : std::nullopt;
}

// seen: when this command saw it end; "": it had ended before. wait_status: of its first process.
Outcome outcome_of(const WaitCommand& command, Container& found, int exit_status, std::optional<int> wait_status,
                   const std::string& seen) {
  Outcome outcome{exit_status};
  if (command.format != "json") return outcome;
  auto record = found.state.read();  // others may know more by now
  if (record.ok()) found.record = std::move(record).value();
  found.record.exit_status = exit_status;
  found.status = ContainerStatus::stopped;
  ExitReport report = report_of_ended("wait", found, wait_status);
  if (report.ended.empty()) report.ended = seen;
  outcome.out = report_line_of(report);
  return outcome;
}

Result<Outcome> perform(const GlobalOptions& global, const WaitCommand& command) {
  Container found = TRY(find_container(global.root, command.id));
  if (!found.record.exit_status && !found.init) found.record.exit_status = TRY(recorded_by_keeper(found));
  if (found.record.exit_status) return outcome_of(command, found, *found.record.exit_status, {}, "");
  const UniqueFd& process = found.init ? found.init : found.ended;
  if (!process) {
    auto written = written_by_init(found);
    if (written) return outcome_of(command, found, *written, {}, "");
    if (found.status == ContainerStatus::stopped)
      return fail(ErrorKind::state,
                  "container not running, and its exit status was not recorded (run --keep records it)");
    return fail(ErrorKind::state, "container not running: {}", status_name(found.status));
  }
  auto status = TRY(await_exit(process.get(), found.record.init.pid));
  EndRecord end;
  end.time = now_rfc3339(kMicroseconds);
  if (auto recorded = TRY(recorded_by_keeper(found))) return outcome_of(command, found, *recorded, {}, end.time);
  std::optional<int> exit_status = status ? std::optional(shell_status(*status)) : written_by_init(found);
  if (!exit_status)
    return fail(ErrorKind::host,
                "the container has ended, but this kernel does not report its exit status (linux 6.15 and newer do)");
  if (!found.record.resident_init) end.wait_status = status;
  auto remembered = remember_exit(found, exit_status, end);
  if (!remembered.ok())
    report_line(
        fmt::format("minirun: warning: wait {}: record the exit status: {}", command.id, remembered.error().text()));
  return outcome_of(command, found, *exit_status, status, end.time);
}

}  // namespace

Command wait_command() {
  return Command::of<WaitCommand, describe, perform>({
      .summary = "wait until a container ends, return its exit status",
      .arguments = "ID",
      .description =
          "Returns when the container ends, with its exit status. The status is known if the kernel reports it (Linux "
          "6.15 and newer), if minirun's init wrote it down (of a detached or created container), or if run --keep, "
          "stop or an earlier wait recorded it.\n\n"
          "With --format json it prints a report of the end: the cause, the status, what was used (docs/explain.md). "
          "What is not known is not in it.",
      .examples = {{{"minirun wait web1", "block until web1 ends"},
                    {"minirun wait --format json web1", "the same, with a report of the end on stdout"}}},
      .exit_statuses = kWaitStatuses,
  });
}

}  // namespace minirun
