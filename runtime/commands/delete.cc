// SPDX-License-Identifier: Apache-2.0
// `minirun delete`: removes what is left of a container.
#include <cerrno>
#include <chrono>
#include <csignal>

#include "cgroups/hierarchy.h"
#include "runtime/commands/command.h"
#include "runtime/commands/report_facts.h"
#include "runtime/commands/report_target.h"
#include "runtime/container/container.h"
#include "runtime/container/record.h"
#include "runtime/container/state_directory.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/launch/remove.h"
#include "runtime/resources/limited_cgroup.h"
#include "runtime/text/log.h"
#include "sys/transient_error.h"

namespace minirun {
namespace {

struct DeleteCommand {
  std::string id;
  bool force = false;
  ReportOption report;

  Descriptors descriptors() const { return {0, {}, report}; }
};

void describe(Options& options, DeleteCommand& command) {
  options.flag("-f,--force", command.force, "kill what still runs; accept an unknown ID");
  describe_report(options, command.report);
  options.id(command.id);
}

// A created container counts as stopped, since its workload has not run. All runtimes delete it so, and engines rely on
// it.
bool may_go(ContainerStatus status) {
  return status == ContainerStatus::stopped || status == ContainerStatus::created;
}

// Ends what still runs, so that the counters are final.
Result<void> end_for_report(const Container& container) {
  if (!container.init) return {};
  auto cgroup = TRY(find_cgroup(container));
  TRY(end_processes(container, cgroup ? &*cgroup : nullptr));
  return cgroup ? cgroup->wait_until_empty(std::chrono::steady_clock::now() + kRemovalTime) : Result<void>();
}

// The kernel says it as long as the parent of its first process has not reaped that.
std::optional<int> status_of_first(const Container& container) {
  const ContainerRecord& record = container.record;
  if (container.init) return exit_by_now(container.init.get(), record.init.pid);
  return container.ended ? exit_if_known(container.ended.get(), record.init.pid) : std::nullopt;
}

// It is read before the container is removed, whose counters go with it.
ExitReport report_before_removal(const Container& container) {
  bool killed = static_cast<bool>(container.init) && container.status != ContainerStatus::created;
  auto ended = end_for_report(container);
  if (!ended.ok()) log_debug("{}: {}", container.record.id, ended.error().text());  // its removal fails, too
  auto status = status_of_first(container);
  ExitReport report = report_of_ended("delete", container, status);
  if (killed && report.stop.signal == 0) report.stop.signal = SIGKILL;
  if (killed) report.runtime_killed = false;
  return report;
}

Result<void> remove_known(Container container, bool force, const Reporting& reporting) {
  if (!may_go(container.status) && !force)
    return fail(ErrorKind::state, "cannot delete container {} that is not stopped: {}", container.record.id,
                status_name(container.status));
  const oci::StringMap annotations = container.record.annotations;
  bool reported = container.record.end && container.record.end->reported && !reporting.is_asked();
  if (reported || !reporting.wanted(annotations)) return remove_container(container);
  const ExitReport report = report_before_removal(container);
  auto removed = remove_container(container);
  reporting.write(report, annotations);
  return removed;
}

// Without a record of its cgroup, the mark on the cgroup identifies it.
Result<void> remove_unknown(StateDirectory state, const std::string& why, bool force) {
  Hierarchy hierarchy = TRY(find_hierarchy());
  std::string mark = TRY(state.mark());
  auto cgroups = TRY(Cgroup::find_marked(hierarchy, mark));
  if (!cgroups.empty() && !force) {
    return fail(ErrorKind::state, "{}, but cgroup {} is the container's (delete --force kills and removes it)", why,
                cgroups[0].record().path);
  }
  for (Cgroup& cgroup : cgroups) TRY(remove_cgroup(cgroup));
  return remove_directory(state);
}

Result<void> remove_locked(StateDirectory state, bool force, const Reporting& reporting) {
  TRY(state.lock());
  auto record = state.read();
  // Only the record knows of kept changes; the host may have recovered.
  if (!record.ok() && is_transient(record.error().code)) record = state.read();
  auto known = record.ok() ? check_format(*record) : Result<void>();
  if (!known.ok() && !force) return with_hint(known.error(), "delete --force removes it");
  if (record.ok()) return remove_known(TRY(inspect(std::move(state), std::move(record).value())), force, reporting);
  reporting.miss(state.id(), record.error().text());
  // Usually minirun was killed between the claim of the id and its first record, and left only the directory.
  if (record.error().code == ENOENT) return remove_unknown(std::move(state), "the container has no record", force);
  if (!force) return with_hint(record.error(), "delete --force removes what can be found");
  return remove_unknown(std::move(state), "", force);
}

Result<Outcome> perform(const GlobalOptions& global, const DeleteCommand& command) {
  TRY(check_id(command.id));
  const Reporting reporting = TRY(Reporting::begin(global, command.report));
  auto root = open_existing_root(global.root);
  auto state = root.ok() ? StateDirectory::open(root->get(), command.id) : Result<StateDirectory>(root.error());
  if (!state.ok() && command.force && is_no_container(state.error())) {
    reporting.miss(command.id, state.error().text());
    return Outcome{};
  }
  if (!state.ok()) return state.error();
  auto removed = remove_locked(std::move(state).value(), command.force, reporting);
  // Deleted by another command while this one waited for the lock.
  if (!removed.ok() && command.force && is_no_container(removed.error())) {
    reporting.miss(command.id, removed.error().text());
    return Outcome{};
  }
  TRY(removed);
  return Outcome{};
}

}  // namespace

Command delete_command() {
  return Command::of<DeleteCommand, describe, perform>({
      .summary = "remove an ended container, or with --force any",
      .arguments = "ID",
      .description =
          "Removes what an ended container left: its cgroup, its mounts, the network devices that it was given, its "
          "state. Then the poststop hooks run. --force kills what still runs first, and removes what a killed minirun "
          "left behind; an unknown ID is no error then.\n\n"
          "--report writes what is known of the container's end as JSON (docs/explain.md), if the container has a "
          "record. A report that cannot be written is a warning, and never changes the exit "
          "status.",
      .examples = {{{"minirun delete --report web1.json web1", "remove web1, which has ended, and report how"},
                    {"minirun delete --force web1", "kill web1 and remove it"}}},
  });
}

}  // namespace minirun
