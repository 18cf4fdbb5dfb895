// SPDX-License-Identifier: Apache-2.0
#include "runtime/check/rehearsal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <iterator>
#include <utility>

#include "cgroups/hierarchy.h"
#include "runtime/check/parts.h"
#include "runtime/check/trial_plan.h"
#include "runtime/launch/child.h"
#include "runtime/launch/failure.h"
#include "runtime/oci/spec_facts.h"
#include "runtime/resources/cgroup_path.h"
#include "runtime/supervise/init_channel.h"
#include "runtime/supervise/signals.h"
#include "sys/image_path.h"

namespace minirun {
namespace {

constexpr const char* kTracing = "ptrace";

// How the first process goes on. It is a child of this process, and traced by it from its first gate on.
class Performance {
 public:
  Performance(const Compiled& compiled, StartedChild& started, Signals& signals, const oci::Process& process,
              bool traced)
      : compiled_(compiled), started_(started), signals_(signals), process_(process), traced_(traced) {}

  // Until the program is executed, or the end of a plan without; an error if it does not come to that.
  Result<void> follow() {
    for (;;) {
      auto received = TRY(try_receive(child().control.get()));
      if (received && received->kind == Received::Kind::message) {
        TRY(answer(std::move(*received)));
      } else if (TRY(look_at_stop())) {
        return {};
      } else {
        pollfd polls[] = {{received ? -1 : child().control.get(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
        if (poll(polls, std::size(polls), -1) < 0 && errno != EINTR) return fail(errno, "wait for the rehearsal");
        TRY(signals_.check_abort());
      }
    }
  }

 private:
  Child& child() { return started_.process.child(); }

  Result<void> answer(Received received) {
    switch (received.envelope.message) {
      case Message::terminal:
        terminal_ = std::move(received.fd);  // without this side the other one is hung up
        return {};
      case Message::ready:
        if (traced_ && static_cast<Gate>(received.envelope.status) == Gate::commit) TRY(trace());
        return open_gate(child().control.get());
      case Message::sources:
        return started_.turns.answer(child().control.get(), received.envelope.status);
      case Message::failed:
        return explain_step(child(), {Cgroup::none(), &compiled_, &process_}, -1);
      default:
        return fail(EPROTO, "unexpected message {} from the init", static_cast<uint32_t>(received.envelope.message));
    }
  }

  Result<void> trace() {
    if (ptrace(PTRACE_SEIZE, child().pid, nullptr, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) == 0) return {};
    Error error = fail(errno, "trace the rehearsal");
    error.change_details().call = kTracing;
    return error;
  }

  // True: it has executed the program. Lets it go on after other stops, with the signal that stopped it.
  Result<bool> look_at_stop() {
    siginfo_t info{};
    const int what = WEXITED | WSTOPPED | WNOHANG | WNOWAIT;
    if (waitid(P_PID, static_cast<id_t>(child().pid), &info, what) < 0 && errno != EINTR)
      return fail(errno, "wait for the rehearsal");
    if (info.si_pid == 0) return false;
    if (!traced_ && info.si_code == CLD_EXITED && info.si_status == 0) return true;
    if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED) return explain_death(child(), Cgroup::none());
    if (info.si_status == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) return true;
    if (ptrace(PTRACE_CONT, child().pid, nullptr, info.si_status >> 8 != 0 ? 0 : info.si_status) < 0 && errno != ESRCH)
      return fail(errno, "go on with the rehearsal");
    return false;
  }

  const Compiled& compiled_;
  StartedChild& started_;
  Signals& signals_;
  const oci::Process& process_;
  const bool traced_;
  UniqueFd terminal_;
};

// For a plan that shows the container its cgroup.
Result<UniqueFd> cgroup_to_show(const Plan& plan) {
  if (std::none_of(plan.slots.begin(), plan.slots.end(),
                   [](const Source& slot) { return slot.kind == SourceKind::cgroup_tree; }))
    return UniqueFd();
  Hierarchy hierarchy = TRY(find_hierarchy());
  return open_own_cgroup(hierarchy);
}

bool is_passing(int code) {
  return code == EAGAIN || code == ENOMEM || code == EMFILE || code == ENFILE || code == EINTR || code == ENOBUFS;
}

// Whether the path is certain not to lead into one of those mounts. root: the container's.
bool is_outside(int root, const std::string& path, const std::vector<std::string>& mounts) {
  if (std::any_of(mounts.begin(), mounts.end(), [&](const std::string& mount) { return is_over(mount, path); }))
    return false;
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    UniqueFd part = open_in_image(root, path.substr(0, end).c_str(), O_PATH | O_NOFOLLOW);
    struct stat info {};
    if (!part) return errno == ENOENT;
    if (fstat(part.get(), &info) < 0 || S_ISLNK(info.st_mode)) return false;
    if (end == std::string::npos) return true;
  }
}

// What a failure of the first process says about `run`.
Rehearsal::End meaning(const oci::Spec& spec, const Plan& plan, const Report& report, bool misled) {
  if (is_passing(report.error)) return Rehearsal::End::unsure;
  if (report.state != kFailed) {  // killed: by its filter, if it has one
    const bool filtered = std::any_of(plan.steps.begin(), plan.steps.end(),
                                      [](const Step& step) { return get_if<steps::Seccomp>(step) != nullptr; });
    return filtered ? Rehearsal::End::failed : Rehearsal::End::unsure;
  }
  if (misled) return Rehearsal::End::unsure;
  const auto gate = std::find_if(plan.steps.begin(), plan.steps.end(), [](const Step& step) {
    const auto* waits = get_if<steps::WaitAtGate>(step);
    return waits != nullptr && waits->gate == Gate::setup;
  });
  if (oci::has_setup_hooks(spec.hooks) && report.step >= static_cast<size_t>(gate - plan.steps.begin()))
    return Rehearsal::End::unsure;
  const bool executes = report.step < plan.steps.size() && get_if<steps::Execute>(plan.steps[report.step]) != nullptr;
  return executes && !spec.hooks.start_container.empty() ? Rehearsal::End::unsure : Rehearsal::End::failed;
}

// The numbers of the rehearsal's steps are not those of `run`.
Error without_step(Error error) {
  error.change_details().step = 0;
  return error;
}

// traced: up to the program's exec, which else is left out.
Rehearsal perform(const oci::Spec& spec, Compiled compiled, int rootfs, bool overlay, bool traced) {
  Rehearsal rehearsal;
  auto give_up = [&](Error error) {
    rehearsal.error = std::move(error);
    return rehearsal;
  };
  const std::vector<std::string> readonly = make_harmless(spec, traced, &compiled.plan, &rehearsal.untried);
  auto signals = Signals::block();
  if (!signals.ok()) return give_up(signals.error());
  auto shown = cgroup_to_show(compiled.plan);
  if (!shown.ok()) return give_up(shown.error());
  HostDescriptors host{rootfs, shown->get(), {}};
  auto started = start_child(compiled, host, -1, Cgroup::none(), *signals);
  if (!started.ok()) {
    const ErrorDetail& detail = started.error().details();
    const bool certain = (!detail.pointer.empty() || detail.call == "clone3" || overlay);
    if (certain) rehearsal.end = is_passing(started.error().code) ? Rehearsal::End::unsure : Rehearsal::End::failed;
    return give_up(started.error());
  }
  auto followed = Performance(compiled, *started, *signals, *spec.process, traced).follow();
  const Report report = started->process.child().memory.report();
  if (followed.ok()) {
    rehearsal.end = Rehearsal::End::passed;
    rehearsal.with_program = traced;
    return rehearsal;
  }
  if (followed.error().details().call == kTracing) return give_up(followed.error());
  UniqueFd root = open_container_root(started->process.child().pid);
  const bool misled = report.state == kFailed && report.error == EROFS &&
                      !is_outside(root.get(), path_of(compiled.plan, report.step), readonly);
  rehearsal.end = meaning(spec, compiled.plan, report, misled);
  rehearsal.at_program = followed.error().kind == ErrorKind::exec;
  return give_up(without_step(followed.error()));
}

// The same, or without the exec where this process may trace no other.
Rehearsal perform_somehow(const oci::Spec& spec, const Compiled& compiled, int rootfs, bool overlay) {
  Rehearsal rehearsal = perform(spec, compiled, rootfs, overlay, true);
  const bool refused = rehearsal.error && rehearsal.error->details().call == kTracing;
  // By a security module, or as another program, such as strace(1), traces it.
  return refused ? perform(spec, compiled, rootfs, overlay, false) : rehearsal;
}

// The mount that failed; nothing: something else did.
std::optional<size_t> failed_mount(const Rehearsal& rehearsal, const oci::Spec& spec) {
  constexpr std::string_view kMounts = "/mounts/";
  if (rehearsal.end != Rehearsal::End::failed) return std::nullopt;
  const std::string& pointer = rehearsal.error->details().pointer;
  size_t index = 0;
  if (!pointer.starts_with(kMounts)) return std::nullopt;
  auto [end, error] = std::from_chars(pointer.data() + kMounts.size(), pointer.data() + pointer.size(), index);
  const bool whole = error == std::errc() && end == pointer.data() + pointer.size();
  return whole && index < spec.mounts.size() ? std::optional(index) : std::nullopt;
}

}  // namespace

Rehearsal rehearse(const oci::Spec& spec, const Compiled& compiled, int rootfs, bool overlay) {
  const std::string why = obstacle(spec, compiled);
  Rehearsal rehearsal;
  rehearsal.error = fail(ErrorKind::host, "{}", why);
  if (!why.empty()) return rehearsal;
  rehearsal = perform_somehow(spec, compiled, rootfs, overlay);
  constexpr size_t kMostFaults = 3;
  std::vector<std::string> missing;  // destinations of mounts that are left out
  auto failed = failed_mount(rehearsal, spec);
  std::string pointer = failed ? rehearsal.error->details().pointer : "";
  for (Compiled rest = compiled; failed && missing.size() < kMostFaults && leave_out_mount(pointer, &rest.plan);) {
    missing.push_back(spec.mounts[*failed].target);
    Rehearsal next = perform_somehow(spec, rest, rootfs, overlay);
    failed = failed_mount(next, spec);
    if (!failed || next.error->details().pointer == pointer) break;
    pointer = next.error->details().pointer;
    const std::string& destination = spec.mounts[*failed].target;
    // What fails below one that is missing may fail for that.
    if (std::none_of(missing.begin(), missing.end(),
                     [&](const std::string& path) { return is_over(path, destination); }))
      rehearsal.more.push_back(std::move(*next.error));
  }
  return rehearsal;
}

}  // namespace minirun
