// SPDX-License-Identifier: Apache-2.0
// Making a container, as `create` and `run` do: from a claimed id to a process that waits for start, or runs.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cgroups/hierarchy.h"
#include "runtime/container/owned_process.h"
#include "runtime/container/state_directory.h"
#include "runtime/container/unfinished.h"
#include "runtime/hooks/points.h"
#include "runtime/launch/announcement.h"
#include "runtime/launch/prepare.h"
#include "runtime/launch/source_turns.h"
#include "runtime/resources/host_resources.h"
#include "runtime/resources/systemd_scope.h"
#include "runtime/supervise/notify_relay.h"
#include "runtime/supervise/supervisor.h"

namespace minirun {

// Members in the order of their making; destroyed, and so undone, in reverse, unless keep() was called.
class Creation {
 public:
  // All but the state directory and the supervisor are borrowed.
  Creation(const LaunchOptions& options, const Prepared& prepared, const Hierarchy& hierarchy, StateDirectory state,
           Supervisor supervisor, CgroupDriver driver);
  Creation(const Creation&) = delete;
  Creation& operator=(const Creation&) = delete;
  // Undoes what was made. The poststop hooks run where others have run before (runtime-spec runtime.md, "Lifecycle").
  ~Creation();

  // Until the container waits for start (a plan of `create`) or its workload runs. guarded: it is to end with this
  // process.
  Result<void> launch(bool guarded);
  // The same for a process that comes into being otherwise, and runs at once: `start` makes it in cgroup().
  struct Started {
    OwnedProcess process;
    UniqueFd terminal;  // the far end of the container's, where it has one
  };
  Result<void> launch_by(bool guarded, const std::function<Result<Started>()>& start);
  // For its `start`: the first process is there with its namespaces. Other commands find the container from here on.
  Result<void> run_restore_hooks(pid_t pid);
  // The container is gone but for its state directory: its last hooks.
  void run_poststop();
  // It lives on without this process, or another command removes it: also its last hooks.
  void keep();
  // The same for the hooks alone.
  void leave_hooks() { hooked_ = false; }

  OwnedProcess& process() { return *process_; }
  LimitedCgroup& cgroup() { return *cgroup_; }
  HostSide& host_side() { return *host_side_; }
  std::optional<NotifyRelay>& notify() { return notify_; }
  StateDirectory& state() { return state_; }
  Supervisor& supervisor() { return supervisor_; }
  ContainerRecord& record() { return record_; }

 private:
  bool undo();
  Result<void> record_intent();
  Result<void> place();
  Result<void> make_cgroup();
  Result<void> make_ready(bool guarded);
  Result<void> spawn();
  Result<void> await();
  Result<void> at_gate(Gate gate);
  Result<void> do_part(Gate gate);
  Result<void> delegate_cgroup();
  Result<void> launch_to_the_end();
  HookContext hook_context();
  Result<void> serve_listener(Child& child);
  Result<void> hand_over_terminal(UniqueFd terminal);
  Result<void> commit();
  Result<void> announce();

  const LaunchOptions& options_;
  const Prepared& prepared_;
  const Hierarchy& hierarchy_;
  StateDirectory state_;
  Supervisor supervisor_;
  ContainerRecord record_;
  CgroupDriver driver_;
  Announcement announcement_;
  std::string cgroup_path_;  // "": none
  std::optional<Unfinished> unfinished_;
  std::optional<SystemdScope> scope_;
  std::optional<LimitedCgroup> cgroup_;
  std::optional<HostSide> host_side_;
  std::optional<NotifyRelay> notify_;  // of a container that does not wait for start
  std::optional<OwnedProcess> process_;
  std::optional<SourceTurns> turns_;
  bool hooked_ = false;  // a hook may have made something that a poststop hook takes away
};

// What is wrong with the options themselves.
Result<void> check_launch_options(const LaunchOptions& options);

// config.md, "Linux Process": what cannot be granted MUST be logged as a warning.
void report_warnings(const Prepared& prepared);

}  // namespace minirun
