// SPDX-License-Identifier: Apache-2.0
// `minirun start`: runs the workload of a created container, and reports a workload that cannot be executed.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "cgroups/processes.h"
#include "runtime/commands/command.h"
#include "runtime/commands/launch_options.h"
#include "runtime/commands/notify_wait.h"
#include "runtime/commands/timing_option.h"
#include "runtime/container/container.h"
#include "runtime/container/start_socket.h"
#include "runtime/hooks/points.h"
#include "runtime/launch/gates.h"
#include "runtime/launch/remove.h"
#include "runtime/launch/seccomp_agent.h"
#include "runtime/launch/timed_steps.h"
#include "runtime/oci/bundle.h"
#include "runtime/supervise/init_channel.h"
#include "runtime/text/log.h"
#include "runtime/text/status_events.h"
#include "runtime/text/stopwatch.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

struct StartCommand {
  std::string id;
  std::optional<uint64_t> status_fd;
  TimingOption timing;

  Descriptors descriptors() const { return {0, status_fd}; }
};

void describe(Options& options, StartCommand& command) {
  describe_timing(options, command.timing);
  describe_status_fd(options, command.status_fd);
  options.id(command.id);
}

constexpr const char* kStopped = "cannot start a container that has stopped";
constexpr const char* kStoppedWaiting = "cannot start a container that has stopped: it ended while it waited for start";

Result<void> check_status(const Container& container) {
  using enum ContainerStatus;
  ContainerStatus status = container.status;
  if (status == stopped)
    return fail(ErrorKind::state, "{}", has_start_socket(container.state.fd()) ? kStoppedWaiting : kStopped);
  if (status == creating) return fail(ErrorKind::state, "cannot start a container that is being created");
  if (status == paused) return fail(ErrorKind::state, "cannot start a paused container");
  if (status != created) return fail(ErrorKind::state, "cannot start an already running container");
  return {};
}

// Why the first process does not answer.
Error why_silent(const Container& container, const Error& error) {
  if (error.code != ETIMEDOUT) {
    constexpr std::chrono::seconds kLastMoments{1};
    auto ended = await_end(container.init.get(), std::chrono::steady_clock::now() + kLastMoments);
    return ended.ok() && *ended ? fail(ErrorKind::state, kStoppedWaiting) : error;
  }
  std::string what = describe_processes(std::vector<pid_t>{container.record.init.pid});
  std::string hint = what.find(", T") != what.npos ? ", which is stopped: SIGCONT continues it" : "";
  return fail(ErrorKind::host, "the container's init does not answer: {}{}", what, hint);
}

// Connects to the waiting init and maps its plan's memory.
Result<Child> connect(const Container& container) {
  auto connected = connect_for_start(container.state.fd(), container.record.made_by);
  if (!connected.ok()) return why_silent(container, connected.error());
  UniqueFd pidfd = UniqueFd::duplicate(container.init.get());
  if (!pidfd) return fail(errno, "duplicate a descriptor");
  return Child{container.record.init.pid, std::move(pidfd), std::move(connected->control),
               std::move(connected->memory)};
}

// Brings a waiting container to its running workload. hook_failed: a hook failed, so the container must be removed.
Result<void> start_workload(Container& container, const oci::Spec& spec, Signals& signals, bool* hook_failed) {
  begin_phase("connect");
  bool none = container.record.cgroup.path.empty();
  Cgroup cgroup = none ? Cgroup::none() : TRY(open_cgroup(container.record));
  const auto& seccomp = spec.linux_.seccomp;
  std::optional<SeccompAgent> agent;  // before the workload starts, so that start can be repeated without an agent
  if (seccomp && notifies(*seccomp)) agent.emplace(TRY(SeccompAgent::connect(*seccomp)));
  Child child = TRY(connect(container));
  auto serve = [&](Child& process) { return agent->serve(process, container.record, container.status, signals); };
  HookContext context{container, spec, signals, &cgroup, {}};
  if (agent) {
    // One connection for each process, one after another, since an agent may serve them in order.
    context.serve_listener = [&](Child& hook) -> Result<void> {
      TRY(serve(hook));
      agent.reset();
      agent.emplace(TRY(SeccompAgent::connect(*seccomp)));
      return {};
    };
  }
  *hook_failed = true;
  begin_phase("hooks");
  // The init waits at its last gate, between its release and its exec.
  TRY(run_start_container_hooks(context));
  *hook_failed = false;
  begin_phase("steps");
  TRY(open_gate(child.control.get()));
  Channel channel{child, signals, {cgroup, nullptr, &*spec.process}, container.record.resident_init};
  GateHandlers on;
  if (agent) on.listener = [&] { return serve(child); };
  auto launched = follow(channel, on);
  if (!launched.ok()) take_failed_step(child.memory);
  begin_phase("end");
  remove_start_socket(container.state.fd());
  TRY(launched);
  *hook_failed = true;
  begin_phase("hooks");
  return run_poststart_hooks(context);
}

// The relay for the workload's notifications, if the container was made with a socket and a service manager listens.
Result<std::optional<NotifyRelay>> make_relay(const Container& container) {
  std::string host = TRY(own_notify_socket());
  std::optional<NotifyRelay> relay;
  if (!host.empty() && has_notify_directory(container.state.fd()))
    relay.emplace(TRY(NotifyRelay::start(container.state.fd(), host)));
  return relay;
}

Result<Outcome> perform(const GlobalOptions& global, const StartCommand& command) {
  TimedCommand timed(command.timing, "start", command.id);
  Container container = TRY(find_locked(global.root, command.id));
  TRY(check_status(container));
  std::string text = TRY(container.state.read_config());
  Bundle config = TRY(parse_config(text));
  container.config = config.spec.get();
  if (!config.spec->process)
    return fail(ErrorKind::config, "config.json has no /process, so the container has no program to start");
  Signals signals = TRY(Signals::block());
  auto relay = TRY(make_relay(container));
  bool hook_failed = false;
  auto started = start_workload(container, *config.spec, signals, &hook_failed);
  if (!started.ok() && hook_failed) {  // runtime.md, "Lifecycle": as if it had been deleted
    auto removed = remove_container(container);
    if (!removed.ok())
      report_line(fmt::format("minirun: warning: {}: {}", container.record.id, removed.error().text()));
  }
  TRY(started);
  status_running(container.record.id, container.record.init.pid);
  end_setup();
  if (!relay) return Outcome{};
  begin_phase("readiness");
  container.state.unlock();
  const ContainerRecord& record = container.record;
  return wait_for_ready(*relay, "start " + record.id, record.init.pid, container.init.get(), signals);
}

}  // namespace

Command start_command() {
  return Command::of<StartCommand, describe, perform>({
      .summary = "run the workload of a created container",
      .arguments = "ID",
      .description =
          "Runs the workload of a created container and returns once its program is executed. If the program cannot "
          "be executed, or a startContainer hook fails, start reports it and the container is stopped.",
      .examples = {{{"minirun start web1", "run the workload of web1"},
                    {"minirun --log start.json --log-format json start web1",
                     "the same, with errors as JSON in start.json too"}}},
      .exit_statuses = kLaunchStatuses,
  });
}

}  // namespace minirun
