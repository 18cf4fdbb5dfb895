// SPDX-License-Identifier: Apache-2.0
// `minirun delete`: removes what is left of a container.
#include <cerrno>

#include "cgroups/hierarchy.h"
#include "runtime/commands/command.h"
#include "runtime/container/container.h"
#include "runtime/container/record.h"
#include "runtime/container/state_directory.h"
#include "runtime/launch/remove.h"

namespace minirun {
namespace {

struct DeleteCommand {
  std::string id;
  bool force = false;
};

void describe(Options& options, DeleteCommand& command) {
  options.flag("-f,--force", command.force, "kill what still runs; accept an unknown ID");
  options.id(command.id);
}

// A created container counts as stopped, since its workload has not run. All runtimes delete it so, and engines rely on
// it.
bool may_go(ContainerStatus status) {
  return status == ContainerStatus::stopped || status == ContainerStatus::created;
}

Result<void> remove_known(Container container, bool force) {
  if (!may_go(container.status) && !force)
    return fail(ErrorKind::state, "cannot delete container {} that is not stopped: {}", container.record.id,
                status_name(container.status));
  return remove_container(container);
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

Result<void> remove_locked(StateDirectory state, bool force) {
  TRY(state.lock());
  auto record = state.read();
  auto known = record.ok() ? check_format(*record) : Result<void>();
  if (!known.ok() && !force) return with_hint(known.error(), "delete --force removes it");
  if (record.ok()) return remove_known(TRY(inspect(std::move(state), std::move(record).value())), force);
  // Usually minirun was killed between the claim of the id and its first record, and left only the directory.
  if (record.error().code == ENOENT) return remove_unknown(std::move(state), "the container has no record", force);
  if (!force) return with_hint(record.error(), "delete --force removes what can be found");
  return remove_unknown(std::move(state), "", force);
}

Result<Outcome> perform(const GlobalOptions& global, const DeleteCommand& command) {
  TRY(check_id(command.id));
  auto root = open_existing_root(global.root);
  auto state = root.ok() ? StateDirectory::open(root->get(), command.id) : Result<StateDirectory>(root.error());
  if (!state.ok() && command.force && is_no_container(state.error())) return Outcome{};
  if (!state.ok()) return state.error();
  auto removed = remove_locked(std::move(state).value(), command.force);
  // Deleted by another command while this one waited for the lock.
  if (!removed.ok() && command.force && is_no_container(removed.error())) return Outcome{};
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
          "left behind; an unknown ID is no error then.",
      .examples = {{{"minirun delete web1", "remove web1, which has ended"},
                    {"minirun delete --force web1", "kill web1 and remove it"}}},
  });
}

}  // namespace minirun
