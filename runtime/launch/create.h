// SPDX-License-Identifier: Apache-2.0
// Makes a container for `create` and `run`: from a request to a process that waits for start, or runs.
#pragma once

#include <optional>
#include <string>

#include "cgroups/hierarchy.h"
#include "runtime/container/unfinished.h"
#include "runtime/hooks/points.h"
#include "runtime/launch/announcement.h"
#include "runtime/launch/prepare.h"
#include "runtime/launch/remove.h"
#include "runtime/launch/source_turns.h"
#include "runtime/resources/systemd_scope.h"
#include "runtime/supervise/notify_relay.h"
#include "runtime/supervise/refusal_counter.h"
#include "runtime/supervise/supervisor.h"

namespace minirun {

// One launch, and what it needs beside the container that it makes. It must outlive that OwnedContainer.
class Launch {
 public:
  // Checks the request, loads its bundle, and decides everything before the first side effect. An ordinary user's
  // minirun enters the container's user namespace, unless it restores. Blocks signals from here on.
  static Result<Launch> prepare(LaunchRequest request, const std::string& state_root, CgroupDriver driver);

  // Makes a container whose first process is recorded and walks its steps: from here on other commands find it.
  Result<OwnedContainer> create();
  // Returns when it waits for start (LaunchRequest::create), or its workload runs.
  Result<void> start(Container& container);

  // For `restore`, which makes the first process in another way. Makes the container without it:
  Result<OwnedContainer> begin();
  // Called while that process waits with its namespaces made. From here on other commands find the container.
  Result<void> run_restore_hooks(Container& container, pid_t pid);
  // Called when it runs. terminal: this side of the container's, if it has one.
  Result<void> adopt(Container& container, OwnedProcess process, UniqueFd terminal);

  const std::string& id() const { return prepared_.id; }
  const Prepared& prepared() const { return prepared_; }
  const Hierarchy& hierarchy() const { return hierarchy_; }
  Supervisor& supervisor() { return supervisor_; }
  std::optional<NotifyRelay>& notify() { return notify_; }
  // What the seccomp filter has refused, once; nothing if that is not counted.
  std::optional<Refusals> take_refusals();

 private:
  Launch(LaunchRequest request, UniqueFd state_root, Supervisor supervisor, Prepared prepared, Hierarchy hierarchy,
         CgroupDriver driver);

  static Result<Launch> prepare_loaded(LaunchRequest request, Bundle bundle, const std::string& state_root,
                                       CgroupDriver driver);
  Result<OwnedContainer> make();
  Result<void> follow_start(Container& container);
  Result<void> record_intent(Container& container);
  Result<void> place(Container& container);
  Result<void> make_cgroup(Container& container);
  void take_baseline(Container& container) const;
  Result<void> start_watchdog(const Container& container);
  Result<void> name_keepers(Container& container) const;
  Result<void> spawn(Container& container);
  Result<void> commit(Container& container);
  Result<void> at_gate(Container& container, Gate gate);
  Result<void> at_setup(Container& container);
  Result<void> at_end(Container& container);
  Result<void> delegate_cgroup(const Container& container);
  Result<void> hand_over_terminal(UniqueFd terminal);
  Result<void> start_counter();
  Result<void> serve_listener(const Container& container, Child& child);
  Result<void> announce(const Container& container);
  HookContext hook_context(const Container& container);

  LaunchRequest request_;
  UniqueFd state_root_;
  Supervisor supervisor_;
  Prepared prepared_;
  Hierarchy hierarchy_;
  CgroupDriver driver_;
  Announcement announcement_;
  std::optional<Unfinished> unfinished_;
  std::optional<SystemdScope> scope_;
  std::optional<NotifyRelay> notify_;  // of a container that does not wait for start
  std::optional<SourceTurns> turns_;
  std::optional<RefusalCounter> counter_;  // answers until the container is gone
  bool counted_ = false;
  pid_t first_pid_ = -1;  // of the container
};

// Checks the options themselves. Call it before any descriptor is opened.
Result<void> check_launch_options(const LaunchOptions& options);

}  // namespace minirun
