// SPDX-License-Identifier: Apache-2.0
#include "runtime/hooks/points.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "runtime/compile/compile.h"
#include "runtime/compile/home.h"
#include "runtime/compile/join_facts.h"
#include "runtime/container/container.h"
#include "runtime/hooks/run.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/bundle.h"
#include "runtime/seccomp/cache.h"
#include "runtime/seccomp/explain.h"
#include "runtime/text/log.h"
#include "sys/file.h"
#include "sys/process_stat.h"
#include "sys/transient_error.h"

namespace minirun {
namespace {

// The last number of NSpid: the pid in the process's innermost pid namespace (proc_pid_status(5)).
Result<pid_t> innermost_pid(pid_t pid) {
  auto pids = status_field(TRY(read_status(pid)), "NSpid");
  if (!pids) return fail(EINVAL, "read /proc/{}/status", pid);
  return static_cast<pid_t>(strtol(pids->c_str() + pids->find_last_of('\t') + 1, nullptr, 10));
}

// The environment of hooks without one in config.json: minirun's, without the variables of its own sockets.
oci::Strings own_environment() {
  oci::Strings env;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    std::string_view text = *entry;
    bool of_sockets = text.starts_with("NOTIFY_SOCKET=") || text.starts_with("LISTEN_PID=") ||
                      text.starts_with("LISTEN_FDS=") || text.starts_with("LISTEN_FDNAMES=");
    if (!of_sockets) env.emplace_back(text);
  }
  return env;
}

// One of the lists.
struct Point {
  const char* pointer;
  const std::vector<oci::Hook>& hooks;
  HookSide side;
  ContainerStatus status;
  bool ended = false;  // the container has no process left
};

class Runner {
 public:
  Runner(const HookContext& context, const Point& point) : context_(context), point_(point) {}

  Result<void> prepare();
  Result<void> run(size_t index) const;

 private:
  Result<void> take_process_facts();
  std::string working_directory() const;
  UniqueFd state_root() const;

  const HookContext& context_;
  const Point& point_;
  ExecFacts joined_;
  PlanFacts facts_;
  std::string state_;
};

// Prepares what all hooks of the list share.
Result<void> Runner::prepare() {
  const ContainerRecord& record = context_.container.record;
  pid_t pid = point_.ended ? 0 : record.init.pid;
  if (point_.side != HookSide::runtime) {
    pid = TRY(innermost_pid(record.init.pid));
    joined_ = TRY(exec_facts(record.init.pid, context_.container.pidfd(), context_.spec));
    if (point_.side == HookSide::create_container) joined_.chroot = false;  // in the host's tree
  }
  facts_.paths = {record.id, record.bundle, record.rootfs};
  facts_.host = TRY(host_of_joined(joined_));
  if (point_.side == HookSide::start_container) TRY(take_process_facts());
  JsonWriter json;
  append_state(json, record, status_name(point_.status), pid);
  state_ = json.take();
  return {};
}

// For hooks that run like the config's process.
Result<void> Runner::take_process_facts() {
  const auto& process = context_.spec.process;
  bool inherits = std::any_of(point_.hooks.begin(), point_.hooks.end(), [](const auto& hook) { return !hook.env; });
  if (process && inherits)
    facts_.paths.home = TRY(home_in_container(context_.container.record.init.pid, process->env, process->user.uid));
  if (context_.spec.linux_.seccomp)
    facts_.seccomp = TRY(cached_seccomp(state_root().get(), context_.spec.linux_.seccomp));
  if (facts_.seccomp && context_.explain_seccomp) facts_.seccomp = explaining(*facts_.seccomp);
  return {};
}

// The state root, whose cache already has the container's filter. Empty: the filter is compiled anew.
UniqueFd Runner::state_root() const {
  auto root = open_at(context_.container.state.fd(), "..", O_RDONLY | O_DIRECTORY);
  return root.ok() ? std::move(root).value() : UniqueFd();
}

std::string Runner::working_directory() const {
  bool there = point_.side != HookSide::start_container &&
               (access(context_.container.record.bundle.c_str(), X_OK) == 0 || is_transient(errno));
  return there ? context_.container.record.bundle : "/";
}

Result<void> Runner::run(size_t index) const {
  const oci::Hook& hook = point_.hooks[index];
  const ContainerRecord& record = context_.container.record;
  HookCall call{hook, fmt::format("{}/{}", point_.pointer, index), point_.side, working_directory(), own_environment()};
  Compiled compiled = compile_hook(context_.spec, facts_, joined_, call);
  HookRun run;
  run.plan = &compiled.plan;
  run.path = hook.path;
  run.state = state_;
  if (hook.timeout) run.timeout = std::chrono::seconds(*hook.timeout);
  HookOutputFiles output = hook_output_files(record.annotations);
  run.stdout_file = std::move(output.out);
  run.stderr_file = std::move(output.err);
  run.state_fd = context_.container.state.fd();
  if (point_.side != HookSide::runtime) {
    run.init_pidfd = context_.container.pidfd();
    run.root_fd = joined_.root.get();
    run.cgroup_fd = context_.cgroup->fd();
    run.serve_listener = context_.serve_listener;
  }
  auto ran = run_hook(run, context_.signals);
  // A step of the plan already names its origin.
  if (ran.ok() || ran.error().details().pointer.starts_with(call.pointer)) return ran;
  Error error = wrap(ran.error(), call.pointer);
  error.change_details().pointer = call.pointer;
  return error;
}

Result<void> run_all(const HookContext& context, const Point& point) {
  if (point.hooks.empty()) return {};
  Runner runner(context, point);
  auto prepared = runner.prepare();
  if (!prepared.ok()) return wrap(prepared.error(), point.pointer);
  for (size_t i = 0; i < point.hooks.size(); i++) TRY(runner.run(i));
  return {};
}

void warn(const ContainerRecord& record, const Error& error) {
  report_line(fmt::format("minirun: warning: {}: {}", record.id, error.text()));
}

}  // namespace

Result<void> run_restore_hooks(const HookContext& context) {
  const oci::Hooks& hooks = context.spec.hooks;
  TRY(run_all(context, {"/hooks/prestart", hooks.prestart, HookSide::runtime, ContainerStatus::creating}));
  return run_all(context, {"/hooks/createRuntime", hooks.create_runtime, HookSide::runtime, ContainerStatus::creating});
}

Result<void> run_setup_hooks(const HookContext& context) {
  const oci::Hooks& hooks = context.spec.hooks;
  TRY(run_restore_hooks(context));
  return run_all(context, {"/hooks/createContainer", hooks.create_container, HookSide::create_container,
                           ContainerStatus::creating});
}

Result<void> run_start_container_hooks(const HookContext& context) {
  return run_all(context, {"/hooks/startContainer", context.spec.hooks.start_container, HookSide::start_container,
                           ContainerStatus::created});
}

Result<void> run_poststart_hooks(const HookContext& context) {
  return run_all(context,
                 {"/hooks/poststart", context.spec.hooks.poststart, HookSide::runtime, ContainerStatus::running});
}

namespace {

Result<void> run_poststop(const Container& container, const oci::Spec& spec) {
  const auto& hooks = spec.hooks.poststop;
  if (hooks.empty()) return {};
  Signals signals = TRY(Signals::block());
  // Discards signals for the ended container. Later ones are for the hook.
  auto collected = signals.collect();
  while (!signals.empty()) signals.pop();
  if (!collected.ok()) warn(container.record, collected.error());
  HookContext after{container, spec, signals};
  Point point{"/hooks/poststop", hooks, HookSide::runtime, ContainerStatus::stopped, true};
  Runner runner(after, point);
  auto prepared = runner.prepare();
  if (!prepared.ok()) warn(container.record, prepared.error());
  for (size_t i = 0; i < hooks.size(); i++) {
    auto ran = runner.run(i);
    if (!ran.ok()) warn(container.record, ran.error());
    while (!signals.empty()) signals.pop();
  }
  return {};
}

// Reads the hooks from the container's copy of config.json, the only source left.
Result<void> run_recorded_poststop(const Container& container) {
  auto text = container.state.read_config();
  if (!text.ok() && text.error().code == ENOENT) return {};  // minirun was killed before it wrote one
  std::string json = TRY(std::move(text));
  Bundle config = TRY(parse_config(json));
  return run_poststop(container, *config.spec);
}

}  // namespace

void run_poststop_hooks(const Container& container) {
  auto ran =
      container.config != nullptr ? run_poststop(container, *container.config) : run_recorded_poststop(container);
  if (!ran.ok()) warn(container.record, wrap(ran.error(), "/hooks/poststop"));
}

}  // namespace minirun
