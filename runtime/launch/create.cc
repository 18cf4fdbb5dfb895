// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/create.h"

#include <fcntl.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>

#include "runtime/compile/parts.h"
#include "runtime/compile/socket_activation.h"
#include "runtime/container/start_socket.h"
#include "runtime/launch/child.h"
#include "runtime/launch/failure.h"
#include "runtime/launch/gates.h"
#include "runtime/launch/seccomp_agent.h"
#include "runtime/oci/annotations.h"
#include "runtime/resources/cgroup_path.h"
#include "runtime/supervise/console.h"
#include "runtime/text/log.h"
#include "sys/file.h"
#include "sys/pidfd.h"

namespace minirun {

Creation::Creation(const LaunchOptions& options, const Prepared& prepared, const Hierarchy& hierarchy,
                   StateDirectory state, Supervisor supervisor, CgroupDriver driver)
    : options_(options),
      prepared_(prepared),
      hierarchy_(hierarchy),
      state_(std::move(state)),
      supervisor_(std::move(supervisor)),
      driver_(driver),
      announcement_(
          options.pidfd_socket.empty() ? pidfd_receiver(prepared.bundle.spec.annotations) : options.pidfd_socket,
          options.pid_file) {}

Creation::~Creation() {
  bool gone = undo();
  host_side_.reset();
  if (!gone) state_.keep();
  if (!gone || !hooked_) return;
  auto locked = state_.lock();
  bool others = !locked.ok() && (locked.error().kind == ErrorKind::busy || is_no_container(locked.error()));
  if (others)
    state_.keep();  // another command has it, or has deleted it, hooks and all
  else
    run_poststop();
}

// The processes and the cgroup, as far as they are this object's. False: the kernel does not let a process die. Then
// what is known of it stays, for delete --force.
bool Creation::undo() {
  bool ended = !process_ || process_->end();
  Result<void> removed;
  if (cgroup_ && cgroup_->is_owned()) removed = cgroup_->remove();
  if (ended && removed.ok()) return true;
  std::string why = removed.ok() ? "its first process does not end after SIGKILL" : removed.error().text();
  report_line(fmt::format("minirun: warning: {}: {}: delete --force removes what is left", prepared_.id, why));
  return false;
}

HookContext Creation::hook_context() {
  return {prepared_.bundle.spec,
          record_,
          state_.fd(),
          supervisor_.signals(),
          process_ ? process_->child().pidfd.get() : -1,
          cgroup_ ? &cgroup_->cgroup() : nullptr,
          [this](Child& hook) { return serve_listener(hook); }};
}

void Creation::run_poststop() {
  hooked_ = false;
  run_poststop_hooks(hook_context());
}

void Creation::keep() {
  hooked_ = false;
  process_->detach();
  cgroup_->keep();
  host_side_->keep();
  state_.keep();
}

Result<void> Creation::launch(bool guarded) {
  TRY(make_ready(guarded));
  TRY(spawn());
  log_progress("{}: first process is {}, at work on {} steps", prepared_.id, process_->child().pid,
               prepared_.compiled.plan.steps.size());
  TRY(commit());
  if (scope_) TRY(scope_->release(cgroup_->cgroup(), prepared_.compiled));
  auto launched = launch_to_the_end();
  if (!launched.ok()) announcement_.withdraw();
  return launched;
}

Result<void> Creation::make_ready(bool guarded) {
  TRY(record_intent());  // before the first kernel object: see state.h
  log_progress("{}: recorded what is about to be made", prepared_.id);
  TRY(make_cgroup());
  log_progress("{}: cgroup {} with {} writes of limits", prepared_.id, cgroup_path_.empty() ? "none" : cgroup_path_,
               prepared_.compiled.limits.writes.size());
  host_side_.emplace(TRY(HostSide::make(prepared_.bundle.spec, record_.rdt)));
  if (guarded) {
    UniqueFd cgroup_kill;
    // The end of the init ends all. A workload in its place can refuse to die with minirun, or forgets it by executing
    // a setuid program (prctl(2), PR_SET_PDEATHSIG).
    bool kills_all = record_.resident_init && record_.own_pid_namespace;
    if (!kills_all && !cgroup_path_.empty())
      cgroup_kill = TRY(open_at(cgroup_->cgroup().fd(), "cgroup.kill", O_WRONLY));
    TRY(supervisor_.start_watchdog(prepared_.compiled.terminal && options_.console_socket.empty(), cgroup_kill.get()));
  }
  return {};
}

Result<void> Creation::launch_by(bool guarded, const std::function<Result<Started>()>& start) {
  TRY(make_ready(guarded));
  Started started = TRY(start());
  process_.emplace(std::move(started.process));
  TRY(commit());
  if (scope_) TRY(scope_->release(cgroup_->cgroup(), prepared_.compiled));
  hooked_ = true;  // for those that take away: delete's, and at the end of a foreground run
  if (!record_.rdt.group.empty()) TRY(join_host_side(record_.rdt, record_.init.pid));
  if (started.terminal) TRY(hand_over_terminal(std::move(started.terminal)));
  TRY(unfinished_->finish(state_.fd()));
  return announce();
}

Result<void> Creation::run_restore_hooks(pid_t pid) {
  UniqueFd pidfd = TRY(open_pidfd(pid));
  record_.init = TRY(ProcessIdentity::of(pid, pidfd.get()));
  TRY(state_.write(record_));
  const oci::Hooks& hooks = prepared_.bundle.spec.hooks;
  hooked_ = !hooks.prestart.empty() || !hooks.create_runtime.empty();
  return minirun::run_restore_hooks(hook_context());
}

Result<void> Creation::launch_to_the_end() {
  TRY(await());
  const auto& process = prepared_.bundle.spec.process;
  if (prepared_.compiled.start_socket) return process ? foresee_start(record_.init.pid, *process) : Result<void>();
  hooked_ = true;  // it has run
  return run_poststart_hooks(hook_context());
}

Result<void> Creation::record_intent() {
  const oci::Spec& spec = prepared_.bundle.spec;
  record_.id = prepared_.id;
  record_.bundle = prepared_.bundle.path;
  record_.rootfs = prepared_.rootfs_path;
  record_.created = now_rfc3339();
  record_.boot_id = TRY(current_boot_id());
  TRY(place());
  record_.rdt = TRY(survey_host_side(spec, prepared_.id));
  record_.terminal = prepared_.compiled.terminal;
  record_.annotations = spec.annotations;
  record_.resident_init = prepared_.compiled.init;
  record_.own_pid_namespace = (prepared_.compiled.plan.clone_flags & CLONE_NEWPID) != 0;
  if (!cgroup_path_.empty() && record_.cgroup.made == 0) {
    // Even if it is empty: the end of its owner kills all processes inside.
    auto owner = state_.other_owner(record_.cgroup.path);
    if (owner) return fail(ErrorKind::state, "cgroup {} belongs to container {}", record_.cgroup.path, *owner);
  }
  TRY(state_.write_config(prepared_.bundle.text));
  auto unfinished = Unfinished::begin(state_.fd());
  if (!unfinished.ok()) return in_state_directory(state_.fd(), unfinished.error());
  unfinished_.emplace(std::move(*unfinished));
  return state_.write(record_);
}

// Where the container's cgroup will be, and what is there.
Result<void> Creation::place() {
  const oci::Spec& spec = prepared_.bundle.spec;
  if (driver_ == CgroupDriver::systemd) {
    std::string mark = TRY(state_.mark());
    scope_.emplace(TRY(SystemdScope::survey(hierarchy_, spec, prepared_.compiled, prepared_.id, mark)));
    record_.systemd = scope_->record();
    record_.cgroup = scope_->cgroup();
    cgroup_path_ = record_.cgroup.path;
    return {};
  }
  cgroup_path_ = driver_ == CgroupDriver::disabled ? TRY(place_nowhere(prepared_.compiled))
                                                   : TRY(place_cgroup(hierarchy_, spec, prepared_.compiled));
  if (!cgroup_path_.empty()) record_.cgroup = TRY(Cgroup::survey(hierarchy_, cgroup_path_));
  return {};
}

Result<void> Creation::make_cgroup() {
  if (scope_)
    cgroup_.emplace(TRY(scope_->make(hierarchy_, prepared_.compiled)));
  else
    cgroup_.emplace(TRY(LimitedCgroup::make(hierarchy_, prepared_.compiled, cgroup_path_)));
  record_.cgroup = cgroup_->cgroup().record();
  std::string mark = TRY(state_.mark());
  auto marked = cgroup_->cgroup().mark(mark);
  if (!marked.ok()) log_debug("{}: {}", prepared_.id, marked.error().text());  // a second way to it, no more
  return {};
}

Result<void> Creation::spawn() {
  HostDescriptors host{prepared_.bundle.rootfs.get(), cgroup_->cgroup().fd(), {}};
  UniqueFd own_cgroup;
  const auto& slots = prepared_.compiled.plan.slots;
  bool shown =
      std::any_of(slots.begin(), slots.end(), [](const Source& s) { return s.kind == SourceKind::cgroup_tree; });
  if (shown && cgroup_path_.empty()) {
    own_cgroup = TRY(open_own_cgroup(hierarchy_));
    host.cgroup = own_cgroup.get();
  }
  StartSocket socket;
  if (prepared_.compiled.start_socket) {
    auto made = make_start_socket(state_.fd());
    if (!made.ok()) return in_state_directory(state_.fd(), made.error());
    socket = std::move(made).value();
    host.given = {socket.listener.get(), socket.gate.get()};
  }
  UniqueFd notify;
  if (prepared_.compiled.notify) {
    notify = TRY(make_notify_directory(state_.fd()));
    host.given.resize(kGivenNotify, -1);
    host.given.push_back(notify.get());
    // `start` makes the socket of one that waits for it.
    std::string manager = TRY(own_notify_socket());
    if (!prepared_.compiled.start_socket) notify_.emplace(TRY(NotifyRelay::start(state_.fd(), manager)));
  }
  StartedChild started = TRY(start_child(prepared_.compiled, host, state_.fd(), cgroup_->cgroup()));
  process_.emplace(std::move(started.process));
  turns_.emplace(std::move(started.turns));
  return {};
}

// Other commands find the container from here on. While this is written, the child is at work on its steps.
Result<void> Creation::commit() {
  record_.init = TRY(ProcessIdentity::of(process_->child().pid, process_->child().pidfd.get()));
  return state_.write(record_);
}

Result<void> Creation::await() {
  const auto& process = prepared_.bundle.spec.process;
  Channel channel{process_->child(),
                  supervisor_.signals(),
                  {cgroup_->cgroup(), &prepared_.compiled, process ? &*process : nullptr},
                  prepared_.compiled.init,
                  &*turns_};
  GateHandlers on;
  on.terminal = [this](UniqueFd terminal) { return hand_over_terminal(std::move(terminal)); };
  on.gate = [this](Gate gate) { return at_gate(gate); };
  if (prepared_.bundle.spec.linux_.seccomp) on.listener = [this] { return serve_listener(process_->child()); };
  TRY(follow(channel, on));
  TRY(unfinished_->finish(state_.fd()));
  TRY(announce());
  log_progress("{}: {}", prepared_.id, prepared_.compiled.start_socket ? "waits for start" : "the workload runs");
  return {};
}

Result<void> Creation::at_gate(Gate gate) {
  const char* why = gate == Gate::setup   ? "its mounts are there"
                    : gate == Gate::hooks ? "startContainer hooks are next"
                                          : "it is about to outlive minirun";
  log_progress("{}: waits for minirun: {}", prepared_.id, why);
  // A process outside of the container's pid namespace has stood in so far: see namespaces/spawn.h.
  if (process_->child().pid != record_.init.pid) TRY(commit());
  return do_part(gate);
}

// All that creating means is done by now (runtime.md, "Lifecycle").
Result<void> Creation::serve_listener(Child& child) {
  SeccompAgent agent = TRY(SeccompAgent::connect(*prepared_.bundle.spec.linux_.seccomp));
  return agent.serve(child, record_, "created", child.pid, supervisor_.signals());
}

// Below the container's own, which keeps the limits and is the root of the cgroup namespace that is there by now: a
// process in it would keep the workload from passing controllers on (cgroup-v2.rst, "No Internal Process Constraint").
Result<void> Creation::delegate_cgroup() {
  auto name = delegated_cgroup(prepared_.bundle.spec.annotations);
  if (!name) return {};
  auto moved = [&]() -> Result<void> {
    if (cgroup_path_.empty())
      return fail(ErrorKind::host, "the container has no cgroup, as this user may not make any");
    Cgroup delegated = TRY(Cgroup::create(hierarchy_, cgroup_path_ + "/" + *name, {}));
    if (prepared_.compiled.cgroup_owner) TRY(delegated.give_to(*prepared_.compiled.cgroup_owner));
    return write_control(delegated.fd(), "cgroup.procs", std::to_string(record_.init.pid));
  }();
  return moved.ok() ? moved : wrap(moved.error(), "config.json: " + annotation_pointer(Annotation::delegate_cgroup));
}

Result<void> Creation::do_part(Gate gate) {
  const oci::Hooks& hooks = prepared_.bundle.spec.hooks;
  if (gate == Gate::setup) {
    TRY(delegate_cgroup());
    TRY(host_side_->apply(prepared_.bundle.spec, record_.init.pid));
    hooked_ = !hooks.prestart.empty() || !hooks.create_runtime.empty() || !hooks.create_container.empty();
    TRY(run_setup_hooks(hook_context()));
    return turns_->rejoin();  // after whatever hooks mount in there
  }
  TRY(announce());                                 // engines take it for "created"
  if (prepared_.compiled.start_socket) return {};  // those are for start
  if (gate == Gate::commit && prepared_.compiled.hooks_gate) return {};
  hooked_ = hooked_ || !hooks.start_container.empty();
  return run_start_container_hooks(hook_context());
}

Result<void> Creation::announce() {
  return announcement_.make(record_.init.pid, process_->child().pidfd.get());
}

Result<void> Creation::hand_over_terminal(UniqueFd terminal) {
  if (!options_.console_socket.empty()) return send_console(options_.console_socket, terminal.get());
  return supervisor_.attach_terminal(std::move(terminal));
}

Result<void> check_launch_options(const LaunchOptions& options) {
  uint32_t listening = own_listen_fds().count;
  for (uint32_t i = 0; i < listening + options.preserve_fds; i++) {
    if (fcntl(static_cast<int>(3 + i), F_GETFD) >= 0) continue;
    if (i < listening) return fail(ErrorKind::usage, "LISTEN_FDS={}: descriptor {} is not open", listening, 3 + i);
    return fail(ErrorKind::usage, "--preserve-fds {}: descriptor {} is not open", options.preserve_fds, 3 + i);
  }
  return {};
}

void report_warnings(const Prepared& prepared) {
  for (const std::string& warning : prepared.compiled.warnings)
    report_line("minirun: warning: config.json: " + warning);
}

}  // namespace minirun
