// SPDX-License-Identifier: Apache-2.0
// `minirun update`: changes the limits of a container in use, all or none.
#include <fcntl.h>
#include <unistd.h>

#include "cgroups/device_filter.h"
#include "runtime/commands/command.h"
#include "runtime/commands/update_resources.h"
#include "runtime/compile/resources.h"
#include "runtime/container/container.h"
#include "runtime/resources/intel_rdt.h"
#include "runtime/resources/systemd_scope.h"
#include "runtime/text/json.h"
#include "runtime/text/log.h"
#include "sys/file.h"

namespace minirun {
namespace {

Result<std::string> read_resources(const std::string& file) {
  if (file.empty()) return std::string();
  if (file == "-") return read_all(STDIN_FILENO, kMaxJsonBytes, "stdin");
  UniqueFd fd = TRY(open_at(AT_FDCWD, file, O_RDONLY | O_NOCTTY));
  return read_all(fd.get(), kMaxJsonBytes, file);
}

Result<void> check_intel_rdt(const UpdateCommand& command, const RdtRecord& rdt) {
  if (!rdt.group.empty()) return {};
  for (const auto& [name, schema] :
       {std::pair{"--l3-cache-schema", &command.l3_cache_schema}, std::pair{"--mem-bw-schema", &command.mem_bw_schema}})
    if (*schema && !(*schema)->empty()) return fail(ErrorKind::state, "{}: container has no intelRdt", name);
  return {};
}

// Returns the old schemata, to restore if something fails later; nothing if no change was requested.
Result<std::optional<std::string>> change_schemata(const UpdateCommand& command, const RdtRecord& rdt) {
  std::string cache = command.l3_cache_schema.value_or(""), bandwidth = command.mem_bw_schema.value_or("");
  if (cache.empty() && bandwidth.empty()) return std::optional<std::string>{};
  UniqueFd root = TRY(open_resctrl());
  return std::optional<std::string>(TRY(update_rdt(root.get(), rdt, cache, bandwidth)));
}

// The error that made it necessary is reported.
void put_back(const RdtRecord& rdt, const std::optional<std::string>& schemata) {
  if (!schemata) return;
  auto root = open_resctrl();
  if (root.ok()) (void)restore_rdt(root->get(), rdt, *schemata);
}

// Writes with the present content of these files, except for limits of single devices, whose files have many lines.
std::vector<Write> present_values(const Cgroup& cgroup, const std::vector<Write>& writes) {
  std::vector<Write> present;
  for (const Write& write : writes) {
    auto content = read_file(cgroup.fd(), write.file);
    if (!content.ok()) continue;  // a missing file means no limit
    while (content->ends_with('\n')) content->pop_back();
    if (content->find('\n') == content->npos) present.push_back({.file = write.file, .value = *content, .origin = ""});
  }
  return present;
}

// systemd writes all files of a property's controller, some less exactly (whole percents of a CPU), so minirun writes
// the files last.
Result<void> change_scope(const ContainerRecord& record, const Cgroup& cgroup, std::vector<Write> writes) {
  if (!record.systemd) return {};
  TRY(update_scope(record.systemd, writes));
  for (Write& write : writes) write.not_below.clear();
  return cgroup.apply(writes);
}

// Returns a warning, or "". Checks everything possible before the first change. The device filter is replaced
// atomically and last, so that it never has to be restored.
Result<std::string> update(const GlobalOptions& global, const UpdateCommand& command) {
  // Checked before reading stdin, without the lock, which other commands may need.
  auto found = TRY(find_container(global.root, command.id));
  TRY(check_intel_rdt(command, found.record.rdt));
  std::string file = command.resources == "-" ? "stdin" : command.resources;
  std::string json = TRY(read_resources(command.resources));
  oci::Resources resources = TRY(requested_resources(command, json, file));

  Container container = TRY(find_locked(global.root, command.id));
  Cgroup cgroup = TRY(open_running_cgroup(container));
  CurrentLimits current = TRY(read_current_limits(cgroup.fd()));
  TRY(check_resources_for(command, resources, current, file));
  std::string below = below_usage(command, resources, current, file);
  if (!below.empty()) report_line("minirun: warning: " + below);
  auto as_given = [&](const Error& error) { return name_as_given_to_update(error, command, file); };
  auto planned = plan_change(resources, current, container.record.resident_init ? 1 : 0);
  if (!planned.ok()) return as_given(planned.error());
  LimitPlan plan = std::move(planned).value();
  std::vector<bpf_insn> filter;
  bool new_filter = !resources.devices.empty();
  if (new_filter)
    filter =
        TRY(compile_device_filter(with_default_devices(device_rules_of(resources.devices), container.record.terminal)));

  auto enabled = cgroup.enable(plan.needed);
  if (!enabled.ok()) return as_given(enabled.error());
  auto schemata = TRY(change_schemata(command, container.record.rdt));
  std::vector<Write> before = container.record.systemd ? present_values(cgroup, plan.writes) : std::vector<Write>();
  auto changed = cgroup.change(plan.writes, [&]() -> Result<void> {
    auto done = change_scope(container.record, cgroup, plan.writes);
    if (done.ok() && new_filter) done = replace_device_filter(cgroup.fd(), filter);
    // The first error is reported. systemd may have made the change even if its answer was lost.
    if (!done.ok()) (void)update_scope(container.record.systemd, before);
    return done;
  });
  if (!changed.ok()) put_back(container.record.rdt, schemata);
  if (!changed.ok()) return as_given(changed.error());
  bool nothing = plan.writes.empty() && !new_filter && !schemata;
  return std::string(nothing ? "minirun: warning: update " + command.id + ": no change was requested" : "");
}

Result<Outcome> perform(const GlobalOptions& global, const UpdateCommand& command) {
  return Outcome{0, "", TRY(update(global, command))};
}

}  // namespace

Command update_command() {
  return Command::of<UpdateCommand, describe, perform>({
      .summary = "change the limits of a container",
      .arguments = "ID",
      .description = "Changes the limits of an existing container. Other limits stay as they are. If the kernel "
                     "refuses one limit, "
                     "that is an error and minirun restores those it had changed.\n\n"
                     "SIZE is a number of bytes, or one with a suffix: 512k, 64M, 1.5g; -1 means no limit.",
      .examples = {{{"minirun update --memory 64M --pids-limit 100 web1", "at most 64 MiB and 100 processes"},
                    {"minirun update --cpu-quota 50000 --cpu-period 100000 web1", "half a CPU"}}},
  });
}

}  // namespace minirun
