// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/remove.h"

#include <chrono>
#include <csignal>
#include <set>
#include <string>
#include <vector>

#include "cgroups/processes.h"
#include "runtime/container/pid_namespace.h"
#include "runtime/hooks/points.h"
#include "runtime/launch/child.h"
#include "runtime/resources/host_resources.h"
#include "runtime/resources/systemd_scope.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

// The first process of a pid namespace ends after all others: then they are meant.
std::string who_stays(const Container& container, const Cgroup* cgroup) {
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
  // It may have ended since; the wait finds out. In a pid namespace its end ends all.
  auto sent = send_signal(container.init.get(), SIGKILL);
  if (!sent.ok()) return fail(sent.error().code, "kill the container's first process");
  // cgroup.kill also ends the outer process of an exec. Frozen with the cgroup, that one would keep minirun from
  // reaping the process that it has cloned into the pid namespace, and the namespace from ending. If the cgroup has
  // gone, its removal says so.
  auto killed = cgroup != nullptr ? cgroup->kill() : Result<void>();
  if (!killed.ok() && !container.record.own_pid_namespace) return killed;
  if (TRY(await_end(container.init.get(), std::chrono::steady_clock::now() + kRemovalTime))) return {};
  return fail(ErrorKind::host, "does not end after SIGKILL: {}", who_stays(container, cgroup));
}

Result<void> remove_cgroup(Cgroup& cgroup) {
  return cgroup.remove(Cgroup::Processes::kill, std::chrono::steady_clock::now() + kRemovalTime);
}

Result<void> remove_directory(StateDirectory& state) {
  auto removed = state.remove();
  if (removed.ok()) return removed;
  return with_hint(removed.error(), "nothing else of the container is left");
}

Result<void> remove_container(Container& container) {
  auto cgroup = find_cgroup(container);
  const Cgroup* found = cgroup.ok() && *cgroup ? &**cgroup : nullptr;
  if (container.init) TRY(end_processes(container, found));
  if (!cgroup.ok()) return cgroup.error();
  if (*cgroup) TRY(remove_cgroup(**cgroup));
  if (of_this_boot(container.record)) {
    if (container.record.systemd) TRY(stop_scope(*container.record.systemd));
    TRY(remove_host_side(container.record.rdt));
  }
  run_recorded_poststop_hooks(container.state, container.record);
  return remove_directory(container.state);
}

}  // namespace minirun
