// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/create.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "runtime/compile/parts.h"
#include "runtime/compile/socket_activation.h"
#include "runtime/container/end_page.h"
#include "runtime/container/start_socket.h"
#include "runtime/launch/child.h"
#include "runtime/launch/failure.h"
#include "runtime/launch/gates.h"
#include "runtime/launch/overlay.h"
#include "runtime/launch/rootless.h"
#include "runtime/launch/timed_steps.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/spec_facts.h"
#include "runtime/resources/cgroup_path.h"
#include "runtime/supervise/console.h"
#include "runtime/text/log.h"
#include "runtime/text/status_events.h"
#include "runtime/text/stopwatch.h"
#include "sys/file.h"
#include "sys/pidfd.h"

namespace minirun {

Launch::Launch(LaunchRequest request, UniqueFd state_root, Supervisor supervisor, Prepared prepared,
               Hierarchy hierarchy, CgroupDriver driver)
    : request_(std::move(request)),
      state_root_(std::move(state_root)),
      supervisor_(std::move(supervisor)),
      prepared_(std::move(prepared)),
      hierarchy_(std::move(hierarchy)),
      driver_(driver),
      announcement_(request_.options.pidfd_socket.empty() ? pidfd_receiver(prepared_.bundle.spec->annotations)
                                                          : request_.options.pidfd_socket,
                    request_.options.pid_file) {}

// As of `stop`.
static Result<int> stop_signal_of(const oci::Spec& spec) {
  auto signal = image_stop_signal(spec.annotations);
  return signal.ok() ? signal : wrap(signal.error(), "config.json: " + annotation_pointer(Annotation::stop_signal));
}

Result<Launch> Launch::prepare(LaunchRequest request, const std::string& state_root, CgroupDriver driver) {
  TRY(check_id(request.id));
  TRY(check_launch_options(request.options));
  const Unknown unknown = request.options.strict ? Unknown::refused : Unknown::ignored;
  Bundle bundle = TRY(load_bundle(request.options.bundle, unknown));
  const std::string config = bundle.text;
  auto prepared = prepare_loaded(std::move(request), std::move(bundle), state_root, driver);
  return prepared.ok() ? std::move(prepared) : with_position(prepared.error(), config);
}

Result<Launch> Launch::prepare_loaded(LaunchRequest request, Bundle bundle, const std::string& state_root,
                                      CgroupDriver driver) {
  request.report |= asks_for_report(bundle.spec->annotations);
  if (request.deadline.any()) request.deadline.stop_signal = TRY(stop_signal_of(*bundle.spec));
  bool entered = !request.restore && TRY(enter_user_namespace(&bundle));  // before anything else is opened
  Supervisor supervisor = TRY(Supervisor::begin());                       // before the first side effect
  if (request.deadline.end) TRY(supervisor.signals().give_up_at(*request.deadline.end));
  UniqueFd root = TRY(open_state_root(state_root, true));
  Prepared prepared = TRY(prepare_launch(request, std::move(bundle), entered, root.get()));
  Hierarchy hierarchy = TRY(find_hierarchy());
  return Launch(std::move(request), std::move(root), std::move(supervisor), std::move(prepared), std::move(hierarchy),
                driver);
}

// Gives its errors the place in config.json.
template <class T>
static Result<T> placed(Result<T> result, const Prepared& prepared) {
  return result.ok() ? std::move(result) : with_position(result.error(), prepared.bundle.text);
}

Result<OwnedContainer> Launch::create() {
  return placed(make(), prepared_);
}

Result<void> Launch::start(Container& container) {
  return placed(follow_start(container), prepared_);
}

Result<OwnedContainer> Launch::make() {
  // config.md, "Linux Process": capabilities that cannot be granted MUST be logged as a warning.
  for (const std::string& warning : prepared_.compiled.warnings)
    report_line("minirun: warning: config.json: " + warning);
  if (request_.options.has_overlay()) {
    std::string left_out = TRY(mounts_left_out(*prepared_.bundle.spec, prepared_.rootfs_path));
    if (!left_out.empty()) report_line("minirun: warning: " + left_out);
  }
  OwnedContainer container = TRY(begin());
  if (request_.explain_seccomp) TRY(start_counter());
  begin_phase("clone");
  TRY(spawn(*container));
  begin_phase("record");
  if (container->record.cgroup.path.empty() && request_.deadline.any()) TRY(start_watchdog(*container));
  if (request_.stays) TRY(name_keepers(*container));
  log_progress("{}: first process is {}, at work on {} steps", prepared_.id, container->process->child().pid,
               prepared_.compiled.plan.steps.size());
  TRY(commit(*container));
  return container;
}

Result<void> Launch::follow_start(Container& container) {
  begin_phase("steps");
  const auto& process = prepared_.bundle.spec->process;
  Child& child = container.process->child();
  Channel channel{child,
                  supervisor_.signals(),
                  {container.cgroup->cgroup(), &prepared_.compiled, process ? &*process : nullptr},
                  prepared_.compiled.init,
                  &*turns_};
  GateHandlers on;
  on.terminal = [this](UniqueFd terminal) { return hand_over_terminal(std::move(terminal)); };
  on.gate = [&](Gate gate) {
    begin_phase(gate == Gate::setup ? "setup gate" : "last gate");
    auto done = at_gate(container, gate);
    begin_phase("steps");
    return done;
  };
  if (prepared_.bundle.spec->linux_.seccomp) on.listener = [&] { return serve_listener(container, child); };
  auto started = follow(channel, on);
  take_steps(prepared_.compiled.plan, child.memory, !started.ok());
  if (started.ok()) begin_phase("announcement");
  if (started.ok()) started = at_end(container);
  if (!started.ok()) announcement_.withdraw();
  return started;
}

Result<void> Launch::spawn(Container& container) {
  const Compiled& compiled = prepared_.compiled;
  const Cgroup& cgroup = container.cgroup->cgroup();
  int state = container.state.fd();
  HostDescriptors host{prepared_.bundle.rootfs.get(), cgroup.fd(), {}};
  if (container.changes) host.changes = container.changes->place();
  UniqueFd own_cgroup;
  const auto& slots = compiled.plan.slots;
  bool shown =
      std::any_of(slots.begin(), slots.end(), [](const Source& s) { return s.kind == SourceKind::cgroup_tree; });
  if (shown && container.record.cgroup.path.empty()) {
    own_cgroup = TRY(open_own_cgroup(hierarchy_));
    host.cgroup = own_cgroup.get();
  }
  StartSocket socket;
  if (compiled.start_socket) {
    auto made = make_start_socket(state);
    if (!made.ok()) return in_state_directory(state, made.error());
    socket = std::move(made).value();
    host.given = {socket.listener.get(), socket.gate.get()};
  }
  UniqueFd notify;
  if (compiled.notify) {
    notify = TRY(make_notify_directory(state));
    host.given.resize(kGivenNotify, -1);
    host.given.push_back(notify.get());
    // `start` makes the socket of a created container.
    std::string manager = TRY(own_notify_socket());
    if (!compiled.start_socket) notify_.emplace(TRY(NotifyRelay::start(state, manager)));
  }
  UniqueFd end_page;
  if (compiled.end_page) {
    end_page = TRY(make_end_page(state));
    host.given.resize(kGivenEndPage, -1);
    host.given.push_back(end_page.get());
  }
  StartedChild started = TRY(start_child(compiled, host, state, cgroup, supervisor_.signals()));
  container.process.emplace(std::move(started.process));
  turns_.emplace(std::move(started.turns));
  return {};
}

// Writes it while the child walks its steps.
Result<void> Launch::commit(Container& container) {
  const Child& child = container.process->child();
  container.record.init = TRY(ProcessIdentity::of(child.pid, child.pidfd.get()));
  first_pid_ = child.pid;
  TRY(container.state.write(container.record));
  if (!scope_) return {};
  auto ended = scope_->end_sleeper(container.cgroup->cgroup(), prepared_.compiled);
  scope_.reset();
  return ended;
}

Result<void> Launch::at_gate(Container& container, Gate gate) {
  const char* why = gate == Gate::setup   ? "its mounts are in place"
                    : gate == Gate::hooks ? "startContainer hooks are next"
                                          : "it is about to outlive minirun";
  log_progress("{}: waits for minirun: {}", prepared_.id, why);
  // So far a process outside the container's pid namespace has stood in: see namespaces/spawn.h.
  if (container.process->child().pid != container.record.init.pid) TRY(commit(container));
  if (gate == Gate::setup) return at_setup(container);
  TRY(announce(container));                        // engines take it for "created"
  if (prepared_.compiled.start_socket) return {};  // start runs those
  if (gate == Gate::commit && prepared_.compiled.hooks_gate) return {};
  container.hooked = container.hooked || !prepared_.bundle.spec->hooks.start_container.empty();
  return run_start_container_hooks(hook_context(container));
}

Result<void> Launch::at_setup(Container& container) {
  TRY(delegate_cgroup(container));
  TRY(container.host_side->apply(*prepared_.bundle.spec, container.record.init.pid));
  container.hooked = oci::has_setup_hooks(prepared_.bundle.spec->hooks);
  TRY(run_setup_hooks(hook_context(container)));
  return turns_->rejoin();  // after the mounts that hooks make there
}

// Moves the first process into a cgroup below the container's own, which keeps the limits and is the root of the cgroup
// namespace. A process in that one would keep the workload from passing controllers on (cgroup-v2.rst, "No Internal
// Process Constraint").
Result<void> Launch::delegate_cgroup(const Container& container) {
  auto name = delegated_cgroup(prepared_.bundle.spec->annotations);
  if (!name) return {};
  auto moved = [&]() -> Result<void> {
    const std::string& path = container.record.cgroup.path;
    if (path.empty()) return fail(ErrorKind::host, "the container has no cgroup, because this user may not create any");
    Cgroup delegated = TRY(Cgroup::create(hierarchy_, path + "/" + *name, {}));
    if (prepared_.compiled.cgroup_owner) TRY(delegated.give_to(*prepared_.compiled.cgroup_owner));
    return write_control(delegated.fd(), "cgroup.procs", std::to_string(container.record.init.pid));
  }();
  return moved.ok() ? moved : wrap(moved.error(), "config.json: " + annotation_pointer(Annotation::delegate_cgroup));
}

// Called when it waits for start, or its workload runs.
Result<void> Launch::at_end(Container& container) {
  TRY(unfinished_->finish(container.state.fd()));
  TRY(announce(container));
  bool waits = prepared_.compiled.start_socket;
  log_progress("{}: {}", prepared_.id, waits ? "waits for start" : "the workload runs");
  const auto& process = prepared_.bundle.spec->process;
  if (waits && process) TRY(foresee_start(container.record.init.pid, *process));
  status_created(prepared_.id, container.record.init.pid);
  if (waits) return {};
  container.hooked = true;  // it has run
  return run_poststart_hooks(hook_context(container));
}

Result<void> Launch::run_restore_hooks(Container& container, pid_t pid) {
  UniqueFd pidfd = TRY(open_pidfd(pid));
  container.record.init = TRY(ProcessIdentity::of(pid, pidfd.get()));
  TRY(container.state.write(container.record));
  const oci::Hooks& hooks = prepared_.bundle.spec->hooks;
  container.hooked = !hooks.prestart.empty() || !hooks.create_runtime.empty();
  return minirun::run_restore_hooks(hook_context(container));
}

Result<void> Launch::adopt(Container& container, OwnedProcess process, UniqueFd terminal) {
  container.process.emplace(std::move(process));
  TRY(commit(container));
  container.hooked = true;
  TRY(join_host_side(container.record.rdt, container.record.init.pid));
  if (terminal) TRY(hand_over_terminal(std::move(terminal)));
  TRY(unfinished_->finish(container.state.fd()));
  return announce(container);
}

Result<void> Launch::hand_over_terminal(UniqueFd terminal) {
  const std::string& receiver = request_.options.console_socket;
  return receiver.empty() ? supervisor_.attach_terminal(std::move(terminal)) : send_console(receiver, terminal.get());
}

Result<void> Launch::announce(const Container& container) {
  return announcement_.make(container.record.init.pid, container.pidfd());
}

HookContext Launch::hook_context(const Container& container) {
  return {container,
          *prepared_.bundle.spec,
          supervisor_.signals(),
          &container.cgroup->cgroup(),
          [&](Child& hook) { return serve_listener(container, hook); },
          request_.explain_seccomp};
}

Result<void> check_launch_options(const LaunchOptions& options) {
  TRY(overlay_bytes(options));
  uint32_t listening = own_listen_fds().count;
  for (uint32_t i = 0; i < listening + options.preserve_fds; i++) {
    if (fcntl(static_cast<int>(3 + i), F_GETFD) >= 0) continue;
    if (i < listening) return fail(ErrorKind::usage, "LISTEN_FDS={}: descriptor {} is not open", listening, 3 + i);
    return fail(ErrorKind::usage, "--preserve-fds {}: descriptor {} is not open", options.preserve_fds, 3 + i);
  }
  return {};
}

}  // namespace minirun
