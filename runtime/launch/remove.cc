// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/remove.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cgroups/processes.h"
#include "runtime/container/pid_namespace.h"
#include "runtime/container/unfinished.h"
#include "runtime/hooks/points.h"
#include "runtime/resources/host_resources.h"
#include "runtime/resources/systemd_scope.h"
#include "runtime/text/log.h"
#include "runtime/text/stopwatch.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

// The first process of a pid namespace ends after all others, so this names them.
std::string remaining_processes(const Container& container, const Cgroup* cgroup) {
  pid_t init = container.record.init.pid;
  std::set<pid_t> pids;
  auto inside = cgroup != nullptr ? list_processes(cgroup->fd()) : Result<std::vector<pid_t>>(std::vector<pid_t>());
  if (inside.ok()) pids.insert(inside->begin(), inside->end());
  if (container.record.own_pid_namespace) {
    auto members = pid_namespace_members(init, container.init.get());
    if (members.ok())
      for (const PidNamespaceMember& member : *members) pids.insert(member.pid);
  }
  pids.erase(init);
  if (pids.empty()) pids.insert(init);
  return describe_processes({pids.begin(), pids.end()});
}

}  // namespace

Result<void> end_processes(const Container& container, const Cgroup* cgroup) {
  // It may have ended meanwhile; the wait finds out. In a pid namespace its end ends all.
  auto sent = send_signal(container.init.get(), SIGKILL);
  if (!sent.ok()) return fail(sent.error().code, "kill the container's first process");
  // cgroup.kill also ends the outer process of an exec. Frozen with the cgroup, it would keep minirun from reaping the
  // process that it cloned into the pid namespace, and so the namespace from ending. If the cgroup is gone, its removal
  // says so.
  auto killed = cgroup != nullptr ? cgroup->kill() : Result<void>();
  if (!killed.ok() && !container.record.own_pid_namespace) return killed;
  if (TRY(await_end(container.init.get(), std::chrono::steady_clock::now() + kRemovalTime))) return {};
  return fail(ErrorKind::host, "does not end after SIGKILL: {}", remaining_processes(container, cgroup));
}

Result<void> remove_cgroup(Cgroup& cgroup) {
  return cgroup.remove(Cgroup::Processes::kill, std::chrono::steady_clock::now() + kRemovalTime);
}

Result<void> remove_directory(StateDirectory& state) {
  auto removed = state.remove();
  if (!removed.ok()) removed = state.remove();  // the host may have recovered: memory, a descriptor
  if (removed.ok()) return removed;
  return with_hint(removed.error(), "nothing else of the container is left");
}

namespace {

// Gives a found container guards like those of one made here. From another boot nothing is left.
Result<void> find_guards(Container& container) {
  if (container.cgroup) return {};
  std::optional<Cgroup> cgroup = TRY(find_cgroup(container));
  std::optional<SystemdRecord> scope;
  if (of_this_boot(container.record)) {
    scope = container.record.systemd;
    container.host_side.emplace(HostSide::adopt(container.record.rdt));
  }
  // Its work directory outlives a boot.
  if (container.record.changes.any()) container.changes.emplace(KeptChanges::adopt(container.record.changes));
  container.cgroup.emplace(LimitedCgroup::adopt(cgroup ? std::move(*cgroup) : Cgroup::none(),
                                                [scope] { return scope ? stop_scope(*scope) : Result<void>(); }));
  return {};
}

// Ends its processes and its cgroup. After a failure the rest stays: the guards are detached.
Result<void> end(Container& container) {
  bool ended = !container.process || container.process->end();
  container.detach();
  if (!container.process && container.init)
    TRY(end_processes(container, container.cgroup ? &container.cgroup->cgroup() : nullptr));
  if (container.cgroup) TRY(container.cgroup->remove());  // the error names what is left
  return ended ? Result<void>() : fail(ErrorKind::host, "its first process does not end after SIGKILL");
}

// They end by themselves after the container, but only when this command releases the lock that they need. One of them
// may be this process.
Result<void> end_keepers(const ContainerRecord& record) {
  for (const ProcessIdentity& keeper : record.keepers) {
    if (keeper.pid == getpid()) return {};
    auto pidfd = open_process(record, keeper);
    if (!pidfd.ok() && pidfd.error().code == ENOENT) continue;
    if (!pidfd.ok()) return pidfd.error();
    auto sent = send_signal(pidfd->get(), SIGKILL);
    if (!sent.ok()) return fail(sent.error().code, "end the timekeeper");
    if (!TRY(await_end(pidfd->get(), std::chrono::steady_clock::now() + kRemovalTime)))
      return fail(ErrorKind::host, "its timekeeper, pid {}, does not end after SIGKILL", keeper.pid);
  }
  return {};
}

// What a workload has written stays, even if the launch failed afterwards.
Result<void> remove_changes(Container& container) {
  if (!container.changes) return {};
  auto remove = [&]() -> Result<void> {
    return TRY(never_finished(container.state.fd())) ? container.changes->undo() : container.changes->remove();
  };
  auto removed = remove();
  return removed.ok() ? removed : remove();  // the host may have recovered: memory, a descriptor
}

}  // namespace

Result<void> remove_container(Container& container, Removal removal) {
  auto found = find_guards(container);
  TRY(end(container));
  TRY(found);
  TRY(end_keepers(container.record));
  bool failed = removal == Removal::of_failed;
  if (container.host_side) TRY(failed ? container.host_side->undo() : container.host_side->remove());
  TRY(remove_changes(container));
  if (removal == Removal::but_record) return container.state.write(container.record);
  if (container.hooked) run_poststop_hooks(container);
  return remove_directory(container.state);
}

Result<void> remove_own(Container& container, Removal removal) {
  begin_phase("removal");
  auto locked = container.state.lock();
  bool deleted = !locked.ok() && is_no_container(locked.error());
  bool others = deleted || (!locked.ok() && locked.error().kind == ErrorKind::busy);
  auto removed = others ? end(container) : remove_container(container, removal);
  return removed.ok() && !deleted ? locked : removed;
}

void RemoveFailed::operator()(Container* container) const {
  std::unique_ptr<Container> owned(container);
  if (!container->state.is_owned()) return;
  auto removed = remove_own(*container, Removal::of_failed);
  if (!removed.ok())
    report_line(fmt::format("minirun: warning: {}: {}: delete --force removes what is left", container->record.id,
                            removed.error().text()));
}

}  // namespace minirun
