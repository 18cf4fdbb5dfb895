// SPDX-License-Identifier: Apache-2.0
// `minirun stop`: asks a container to end, and kills it if it does not.
#include <fmt/format.h>

#include <csignal>
#include <optional>

#include "runtime/commands/command.h"
#include "runtime/container/container.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/launch/remove.h"
#include "runtime/oci/annotations.h"
#include "runtime/resources/limited_cgroup.h"
#include "runtime/text/duration.h"
#include "runtime/text/log.h"
#include "runtime/text/signal_name.h"
#include "runtime/text/timestamp.h"
#include "sys/file.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kKilled = 137;  // 128 + SIGKILL

constexpr ExitStatus kStopStatuses[] = {
    {"0", "the container ended within the time"},
    {"137", "the container had to be killed"},
    {"1", "minirun failed; one line on stderr says why"},
};

struct StopCommand {
  std::string id;
  std::string signal;  // "": the annotation org.opencontainers.image.stopSignal, else TERM
  std::string timeout = "10s";
};

void describe(Options& options, StopCommand& command) {
  options.value("-s,--signal", "SIGNAL", command.signal,
                "number or name (default: the image's stop signal, else TERM)");
  options.value("-t,--timeout", "TIME", command.timeout,
                "kill what still runs after this time, such as 500ms, 10s or 1m30s (default: 10s)");
  options.id(command.id);
}

struct Request {
  int signal = SIGTERM;
  std::string signal_name = "TERM";
  std::chrono::nanoseconds timeout{};
};

Result<Request> read_request(const StopCommand& command, const ContainerRecord& record) {
  Request request;
  auto timeout = parse_duration(command.timeout);
  if (!timeout.ok()) return wrap(timeout.error(), "--timeout");
  request.timeout = *timeout;
  std::string origin = "--signal";
  std::string of_the_image = stop_signal(record.annotations);
  if (!command.signal.empty()) {
    request.signal_name = command.signal;
  } else if (!of_the_image.empty()) {
    request.signal_name = of_the_image;
    origin = fmt::format("annotation {}", annotation_key(Annotation::stop_signal));
  }
  auto signal = parse_signal(request.signal_name);
  if (!signal.ok()) return wrap(signal.error(), origin);
  request.signal = *signal;
  return request;
}

// A paused container cannot act on its signal, so it is thawed with the signal pending.
Result<void> thaw(const Cgroup& cgroup) {
  auto frozen = read_file(cgroup.fd(), "cgroup.freeze");
  if (!frozen.ok() || !frozen->starts_with('1')) return {};
  return write_control(cgroup.fd(), "cgroup.freeze", "0");
}

Result<void> kill_all(const Container& found, const std::optional<Cgroup>& cgroup) {
  TRY(end_processes(found, cgroup ? &*cgroup : nullptr));
  return cgroup ? cgroup->wait_until_empty(Clock::now() + kRemovalTime) : Result<void>();
}

// Sends the signal and waits. True: the container ended in time.
Result<bool> ask(const Container& found, const std::optional<Cgroup>& cgroup, const Request& request) {
  if (found.status == ContainerStatus::created) return false;  // no workload yet that could receive it
  auto deadline = Clock::now() + std::min<std::chrono::nanoseconds>(request.timeout, std::chrono::hours(24 * 365));
  auto sent = send_signal(found.init.get(), request.signal);
  if (!sent.ok()) return fail(sent.error().code, "send {} to the container's first process", request.signal_name);
  if (cgroup) TRY(thaw(*cgroup));
  return await_end(found.init.get(), deadline);
}

// The command that makes it holds the lock; its workload may run before its record says so.
Result<Container> find_settled(const GlobalOptions& global, const std::string& id) {
  Container found = TRY(find_container(global.root, id));
  if (found.status != ContainerStatus::creating || found.init) return found;
  TRY(found.state.lock());
  found.state.unlock();
  return find_container(global.root, id);
}

// For a later `wait`, when the status would be lost, and for a report.
void remember(const Container& found, const Request& request, bool killed) {
  EndRecord end;
  end.time = now_rfc3339(kMicroseconds);
  end.stop_signal = request.signal;
  end.killed = killed;
  auto status = exit_by_now(found.init.get(), found.record.init.pid);
  if (status && !found.record.resident_init) end.wait_status = status;
  auto remembered = remember_exit(found, status ? std::optional(shell_status(*status)) : std::nullopt, end);
  if (!remembered.ok())
    report_line(fmt::format("minirun: warning: stop {}: record the exit status: {}", found.record.id,
                            remembered.error().text()));
}

Result<Outcome> perform(const GlobalOptions& global, const StopCommand& command) {
  Container found = TRY(find_settled(global, command.id));
  Request request = TRY(read_request(command, found.record));
  if (!found.init) return fail(ErrorKind::state, "container not running");
  auto cgroup = TRY(find_cgroup(found));
  if (TRY(ask(found, cgroup, request))) {
    // Kills processes that the first one left behind; in a pid namespace the kernel has ended them with it.
    if (!found.record.own_pid_namespace && cgroup) TRY(cgroup->kill());
    if (cgroup) TRY(cgroup->wait_until_empty(Clock::now() + kRemovalTime));
    remember(found, request, false);
    return Outcome{};
  }
  TRY(kill_all(found, cgroup));
  remember(found, request, true);
  std::string why = found.status == ContainerStatus::created
                        ? "it was not started"
                        : fmt::format("it did not end within {} of {}", command.timeout, request.signal_name);
  return Outcome{kKilled, "", fmt::format("minirun: stop {}: killed: {}", command.id, why)};
}

}  // namespace

Command stop_command() {
  return Command::of<StopCommand, describe, perform>({
      .summary = "end a container: its stop signal first, SIGKILL after a time",
      .arguments = "ID",
      .description =
          "Sends the stop signal (--signal, or the image's, or TERM), waits, and kills what still runs after "
          "--timeout.",
      .examples = {{{"minirun stop web1", "SIGTERM, then SIGKILL after 10 seconds"},
                    {"minirun stop --signal QUIT --timeout 1m30s web1",
                     "SIGQUIT, then SIGKILL after a minute and a half"}}},
      .exit_statuses = kStopStatuses,
  });
}

}  // namespace minirun
