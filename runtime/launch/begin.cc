// SPDX-License-Identifier: Apache-2.0
// What a launch makes before the container's first process: the record of its intent, the cgroup, the watchdog.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <utility>

#include "runtime/container/state_directory.h"
#include "runtime/launch/create.h"
#include "runtime/resources/cgroup_path.h"
#include "runtime/text/log.h"
#include "runtime/text/stopwatch.h"
#include "runtime/text/timestamp.h"
#include "sys/file.h"
#include "sys/pidfd.h"

namespace minirun {

Result<OwnedContainer> Launch::begin() {
  begin_phase("cgroup");
  StateDirectory state = TRY(StateDirectory::claim(state_root_.get(), prepared_.id));
  OwnedContainer made(new Container{std::move(state), {}, ContainerStatus::creating});
  Container& container = *made;
  container.cgroup.emplace(LimitedCgroup::none());
  container.config = prepared_.bundle.spec.get();
  container.hooked = false;
  TRY(record_intent(container));  // before the first kernel object: see container/state_directory.h
  log_progress("{}: recorded what is about to be made", prepared_.id);
  TRY(make_cgroup(container));
  const std::string& path = container.record.cgroup.path;
  log_progress("{}: cgroup {} with {} writes of limits", prepared_.id, path.empty() ? "none" : path,
               prepared_.compiled.limits.writes.size());
  TRY(supervisor_.keep_time(request_.deadline, container.cgroup->cgroup()));
  container.host_side.emplace(TRY(HostSide::make(*prepared_.bundle.spec, container.record.rdt)));
  if (container.record.changes.any()) {
    auto changes = KeptChanges::make(container.record.changes);
    // What its own undo() could not remove, for want of descriptors, the removal of the container may.
    container.changes.emplace(changes.ok() ? std::move(*changes) : KeptChanges::adopt(container.record.changes));
    if (!changes.ok()) return changes.error();
  }
  if (!request_.create && (!request_.detach || request_.stays)) TRY(start_watchdog(container));
  return made;
}

Result<void> Launch::record_intent(Container& container) {
  const oci::Spec& spec = *prepared_.bundle.spec;
  ContainerRecord& record = container.record;
  record.id = prepared_.id;
  record.bundle = prepared_.bundle.path;
  record.rootfs = prepared_.rootfs_path;
  record.created = now_rfc3339();
  record.boot_id = TRY(current_boot_id());
  TRY(place(container));
  record.rdt = TRY(survey_host_side(spec, prepared_.id));
  record.overlay = request_.options.has_overlay();
  if (const auto& directory = request_.options.keep_changes)
    record.changes = TRY(survey_changes(*directory, prepared_.rootfs_path));
  record.terminal = prepared_.compiled.terminal;
  record.annotations = spec.annotations;
  record.resident_init = prepared_.compiled.init;
  record.own_pid_namespace = (prepared_.compiled.plan.clone_flags & CLONE_NEWPID) != 0;
  record.attached = !request_.create && (!request_.detach || request_.stays);
  if (!record.cgroup.path.empty() && record.cgroup.made == 0) {
    // Refused even if it is empty: the end of its owner kills all processes inside.
    auto owner = container.state.other_owner(record.cgroup.path);
    if (owner) return fail(ErrorKind::state, "cgroup {} belongs to container {}", record.cgroup.path, *owner);
  }
  TRY(container.state.write_config(prepared_.bundle.text));
  auto unfinished = Unfinished::begin(container.state.fd());
  if (!unfinished.ok()) return in_state_directory(container.state.fd(), unfinished.error());
  unfinished_.emplace(std::move(*unfinished));
  return container.state.write(record);
}

// Finds the place of the container's cgroup, and records what already exists there.
Result<void> Launch::place(Container& container) {
  const oci::Spec& spec = *prepared_.bundle.spec;
  ContainerRecord& record = container.record;
  if (driver_ == CgroupDriver::systemd) {
    std::string mark = TRY(container.state.mark());
    scope_.emplace(TRY(SystemdScope::survey(hierarchy_, spec, prepared_.compiled, prepared_.id, mark)));
    record.systemd = scope_->record();
    record.cgroup = scope_->cgroup();
    return {};
  }
  std::string path = driver_ == CgroupDriver::disabled ? TRY(place_nowhere(prepared_.compiled))
                                                       : TRY(place_cgroup(hierarchy_, spec, prepared_.compiled));
  if (path.empty() && request_.deadline.cpu_time)
    return fail(ErrorKind::host, "--cpu-time needs a cgroup, which counts the time, and the container cannot have one");
  if (!path.empty()) record.cgroup = TRY(Cgroup::survey(hierarchy_, path));
  return {};
}

Result<void> Launch::make_cgroup(Container& container) {
  std::string path = container.record.cgroup.path;
  if (scope_)
    container.cgroup.emplace(TRY(scope_->make(hierarchy_, prepared_.compiled)));
  else
    container.cgroup.emplace(TRY(LimitedCgroup::make(hierarchy_, prepared_.compiled, path)));
  Cgroup& cgroup = container.cgroup->cgroup();
  container.record.cgroup = cgroup.record();
  std::string mark = TRY(container.state.mark());
  auto marked = cgroup.mark(mark);
  if (!marked.ok()) log_debug("{}: {}", prepared_.id, marked.error().text());  // only a second way to find it
  take_baseline(container);
  return {};
}

// The record keeps what others have caused, so that a report counts from here on. Of a container that a later command
// may report unasked, this is what only this moment can say, and nothing for a cgroup at the top of the tree.
void Launch::take_baseline(Container& container) const {
  const CgroupRecord& record = container.record.cgroup;
  bool stays = request_.create || request_.detach;
  bool below = record.path.find('/', 1) != std::string::npos;
  if (record.path.empty() || !(request_.report || (stays && (below || record.made == 0)))) return;
  Baseline baseline;
  if (record.made == 0) baseline.counters = read_usage(container.cgroup->cgroup().fd()).counters;
  if (below) baseline.ancestors = read_ancestors(hierarchy_, record.path);
  container.record.baseline = std::move(baseline);
}

Result<void> Launch::start_watchdog(const Container& container) {
  UniqueFd cgroup_kill;
  // The init's end ends all. A workload in its place can refuse to die with minirun, or loses the signal by executing a
  // setuid program (prctl(2), PR_SET_PDEATHSIG). A deadline does not rely on a signal that the init might lose.
  bool kills_all = container.record.resident_init && container.record.own_pid_namespace && !request_.deadline.any();
  if (!kills_all && !container.record.cgroup.path.empty())
    cgroup_kill = TRY(open_at(container.cgroup->cgroup().fd(), "cgroup.kill", O_WRONLY));
  // Without a cgroup the pid namespace ends with its first process, once that exists.
  bool alone = container.record.cgroup.path.empty() && request_.deadline.any() && container.process;
  return supervisor_.start_watchdog(prepared_.compiled.terminal && request_.options.console_socket.empty(),
                                    cgroup_kill.get(), alone ? container.pidfd() : -1);
}

// Records them for `delete` and the other commands.
Result<void> Launch::name_keepers(Container& container) const {
  for (pid_t pid : {getpid(), supervisor_.watchdog()}) {
    UniqueFd pidfd = TRY(open_pidfd(pid));
    container.record.keepers.push_back(TRY(ProcessIdentity::of(pid, pidfd.get())));
  }
  return {};
}

}  // namespace minirun
