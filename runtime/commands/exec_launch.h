// SPDX-License-Identifier: Apache-2.0
// One launch of `minirun exec`, from the container's id to the end of the process.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/commands/command.h"
#include "runtime/commands/deadline_options.h"
#include "runtime/commands/exec_process.h"
#include "runtime/commands/report_facts.h"
#include "runtime/commands/report_target.h"
#include "runtime/commands/timing_option.h"
#include "runtime/compile/compile.h"
#include "runtime/container/container.h"
#include "runtime/launch/announcement.h"
#include "runtime/resources/limited_cgroup.h"
#include "runtime/supervise/deadline.h"
#include "runtime/supervise/supervisor.h"

namespace minirun {

struct ExecCommand : ProcessOptions {
  std::string id;
  std::vector<std::string> cgroup;
  std::string pid_file;
  std::string console_socket;
  std::string pidfd_socket;
  uint32_t preserve_fds = 0;
  std::optional<uint64_t> status_fd;
  bool detach = false;
  bool ignore_paused = false;
  bool tree = false;
  DeadlineOptions deadline;
  ReportOption report;
  TimingOption timing;

  bool has_tree() const { return tree || deadline.any(); }
  Descriptors descriptors() const { return {preserve_fds, status_fd, report}; }
};

// Whether the status is the process's, or that of a signal that ended the exec.
bool has_own_status(const Error& error);

// One exec, from finding the container to the end of the process. The members' destructors kill a process that has not
// come to run.
class Exec {
 public:
  // Finds the container, and blocks signals from here on.
  static Result<Exec> begin(const GlobalOptions& global, const ExecCommand& command);
  Result<void> launch();  // returns when its program runs
  // Waits until it ends; with --detach returns at once.
  Result<Outcome> supervise(const Reporting& reporting);
  Error explain(const Error& error) const;

 private:
  Exec(const ExecCommand& command, const Deadline& deadline, UniqueFd state_root, Container container,
       Supervisor supervisor)
      : command_(command),
        deadline_(deadline),
        state_root_(std::move(state_root)),
        container_(std::move(container)),
        supervisor_(std::move(supervisor)),
        announcement_(command.pidfd_socket, command.pid_file) {}

  Result<void> prepare();
  Result<void> start();
  Result<void> hand_over_terminal(UniqueFd terminal);
  Result<void> serve_listener();
  Result<void> announce();
  std::string why_killed(int wait_status) const;
  ExitReport report_of(const Ended& ended, int status) const;

  const Cgroup& cgroup() const { return tree_ ? tree_->cgroup() : *cgroup_; }

  const ExecCommand& command_;
  const Deadline deadline_;
  UniqueFd state_root_;
  Container container_;
  Supervisor supervisor_;
  Announcement announcement_;
  std::unique_ptr<const oci::Spec> spec_;  // the container's, with this process in it
  Compiled compiled_;
  std::optional<Cgroup> cgroup_;       // the container's, or one below it
  std::optional<LimitedCgroup> tree_;  // with --tree instead: this exec's own
  std::optional<OwnedProcess> process_;
  UniqueFd own_root_;  // ExecFacts::root
  ReportClock clock_;
  Baseline baseline_;  // with --report
};

}  // namespace minirun
