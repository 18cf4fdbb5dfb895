#include "runtime/launch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

#include "cgroups/device_filter.h"
#include "cgroups/stats.h"
#include "namespaces/init_program.h"
#include "namespaces/sources.h"
#include "runtime/control.h"
#include "runtime/death.h"
#include "runtime/exec_diagnosis.h"

namespace minirun {

Result<LimitedCgroup> LimitedCgroup::make(const Hierarchy& hierarchy, const Compiled& compiled) {
  LimitedCgroup made(TRY(Cgroup::create(hierarchy, compiled.cgroup_path, compiled.limits.needed)));
  TRY(made.cgroup_.apply(compiled.limits.writes));
  if (!compiled.device_filter.empty()) TRY(attach_device_filter(made.cgroup_.fd(), compiled.device_filter));
  return made;
}

LimitedCgroup::LimitedCgroup(LimitedCgroup&& other) noexcept
    : cgroup_(std::move(other.cgroup_)), owned_(std::exchange(other.owned_, false)) {}

LimitedCgroup::~LimitedCgroup() {
  if (owned_) (void)remove();  // on the way out of an error, which is the one to tell
}

Result<void> LimitedCgroup::remove() {
  owned_ = false;
  return cgroup_.remove(Cgroup::Processes::kill, std::chrono::steady_clock::now() + kRemovalTime);
}

Result<Launched> Launched::start(const Compiled& compiled, int rootfs_fd, int state_fd, Cgroup& cgroup) {
  SpawnRequest request;
  request.plan = &compiled.plan;
  request.sources = TRY(open_sources(compiled.plan, rootfs_fd, cgroup.fd()));
  request.init_program = TRY(open_init_program(state_fd));
  request.cgroup_fd = cgroup.fd();
  auto child = spawn(std::move(request));
  if (child.ok()) return Launched(std::move(child).value());
  Error error = child.error();
  std::string reason = cgroup.explain_join(error.code);
  if (!reason.empty()) error = Error{0, error.text() + " (" + reason + ")"};
  return error;
}

Launched::Launched(Launched&& other) noexcept
    : child_(std::move(other.child_)), owned_(std::exchange(other.owned_, false)) {}

Launched::~Launched() {
  if (!owned_) return;
  // SIGKILL to the init of a pid namespace ends all of it; without one the cgroup's removal sees to the rest.
  (void)syscall(SYS_pidfd_send_signal, child_.pidfd.get(), SIGKILL, nullptr, 0);  // ESRCH: it has ended by itself
  while (waitpid(child_.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

namespace {

// The container as its own processes see it, for as long as the failed child waits.
UniqueFd open_container_root(pid_t pid) {
  std::string path = fmt::format("/proc/{}/root", pid);
  return UniqueFd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

LaunchFailure failed_step(Launched& launched, const Compiled& compiled, const oci::Process& process) {
  Report report = launched.child().memory.report();
  bool known = report.step < compiled.plan.steps.size();
  if (!known || compiled.plan.steps[report.step].op != Op::execute) return {step_error(compiled.plan, report)};
  UniqueFd root = open_container_root(launched.child().pid);
  ExecFailure failure;
  failure.root_fd = root.get();
  failure.argv0 = process.args[0];
  failure.cwd = process.cwd;
  failure.search_path = compiled.search_path;
  failure.code = report.error;
  ExecDiagnosis diagnosis = diagnose_exec(failure);
  return {fail(0, "{}", diagnosis.message), diagnosis.exit_status};
}

// The init is gone without a word: the memory limit, or somebody's signal.
LaunchFailure died_early(Launched& launched, const Cgroup& cgroup) {
  int status = 0;
  while (waitpid(launched.child().pid, &status, 0) < 0 && errno == EINTR) {
  }
  launched.let_go();
  auto stats = read_stats(cgroup.fd());
  std::string how = WIFSIGNALED(status) ? fmt::format("killed by signal {}", WTERMSIG(status))
                                        : fmt::format("exit status {}", WEXITSTATUS(status));
  if (stats.ok() && stats->oom_kills.value_or(0) > 0) {
    how = fmt::format("killed by the memory limit: memory.max {} is too low to start a container",
                      stats->memory_max_bytes ? human_bytes(*stats->memory_max_bytes) : "of a cgroup above");
  }
  return {fail(0, "the container ended before the workload started: {}", how)};
}

}  // namespace

std::optional<LaunchFailure> await_launch(Launched& launched, const Compiled& compiled, const oci::Process& process,
                                          const Cgroup& cgroup, Signals& signals, LaunchEvents* events) {
  Child& child = launched.child();
  for (;;) {
    auto received = receive(child.control.get(), child.pidfd.get(), signals);
    if (!received.ok()) return LaunchFailure{received.error()};
    if (received->kind == Received::Kind::aborted)
      return LaunchFailure{fail(0, "given up: signal {}", received->signal), 128 + received->signal};
    if (received->kind == Received::Kind::end_of_file) break;
    switch (received->envelope.message) {
      case Message::terminal:
        events->terminal = std::move(received->fd);
        break;
      case Message::ready:
        events->ready = true;
        return std::nullopt;
      case Message::running:
        return std::nullopt;
      case Message::failed:
        return failed_step(launched, compiled, process);
      default:
        return LaunchFailure{fail(EPROTO, "message {} of the init", static_cast<uint32_t>(received->envelope.message))};
    }
  }
  // Without a resident init the socket closes with exec, and says nothing more.
  Report report = child.memory.report();
  if (report.state == kFailed) return failed_step(launched, compiled, process);
  if (report.state == kExecuting && !compiled.init) return std::nullopt;
  return died_early(launched, cgroup);
}

Result<void> release(Launched& launched) {
  Envelope envelope{Message::release, 0};
  if (send(launched.child().control.get(), &envelope, sizeof envelope, MSG_NOSIGNAL) < 0)
    return fail(errno, "release the container");
  return {};
}

}  // namespace minirun
