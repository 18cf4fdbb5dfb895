// SPDX-License-Identifier: Apache-2.0
// `minirun ps`: lists the processes of a container, from its cgroup, or from its pid namespace if it has none.
#include <fmt/format.h>

#include <cerrno>

#include "cgroups/processes.h"
#include "runtime/commands/command.h"
#include "runtime/commands/ps_table.h"
#include "runtime/container/container.h"
#include "runtime/container/pid_namespace.h"
#include "runtime/text/json_writer.h"
#include "runtime/text/log.h"

namespace minirun {
namespace {

struct PsCommand {
  std::string id;
  std::string format = "table";
  std::vector<std::string> arguments;  // for ps(1)
};

void describe(Options& options, PsCommand& command) {
  options.choice("-f,--format", {"table", "json"}, command.format, "how to print the processes (default: table)");
  options.id_and_rest(command.id, command.arguments);
}

bool is_without_cgroup(const Error& error) {
  return error.code == ENOENT || error.code == ENODEV || error.code == ESTALE;
}

// A cgroup that the container has made unreadable for this user hides no other.
Result<std::vector<pid_t>> visible_processes(const std::string& id, const Cgroup& cgroup) {
  auto visible = TRY(look_at_processes(cgroup.fd(), {}));
  if (visible.unseen > 0)
    report_line(
        fmt::format("minirun: warning: ps {}: the processes in {} of its cgroups are missing: minirun cannot read "
                    "these cgroups",
                    id, visible.unseen));
  return std::move(visible.pids);
}

// Includes processes that an ended init left behind. A stopped container has none, as in runc.
Result<std::vector<pid_t>> processes_of(const Container& container) {
  if (container.record.cgroup.path.empty()) {
    std::vector<pid_t> pids;
    if (!container.init && container.status == ContainerStatus::stopped) return pids;
    if (!container.init) return fail(ErrorKind::state, "container not running");
    for (const PidNamespaceMember& member : TRY(pid_namespace_members(container.record.init.pid, container.init.get())))
      pids.push_back(member.pid);
    return pids;
  }
  auto cgroup = open_cgroup(container.record);
  auto pids =
      cgroup.ok() ? visible_processes(container.record.id, *cgroup) : Result<std::vector<pid_t>>(cgroup.error());
  bool none = pids.ok() ? pids->empty() && !container.init : is_without_cgroup(pids.error());
  if (!none) return pids;
  if (container.status != ContainerStatus::stopped) return fail(ErrorKind::state, "container not running");
  return std::vector<pid_t>();
}

Result<std::string> list(const GlobalOptions& global, const PsCommand& command) {
  Container container = TRY(find_container(global.root, command.id));
  std::vector<pid_t> pids = TRY(processes_of(container));
  if (command.format == "json") {
    JsonWriter json;
    json.begin_array();
    for (pid_t pid : pids) json.number(pid);
    json.end_array();
    return json.take() + "\n";
  }
  std::vector<std::string> arguments = command.arguments;
  if (arguments.empty()) arguments = {"-ef"};
  return select_processes(TRY(run_ps(arguments)), pids);
}

Result<Outcome> perform(const GlobalOptions& global, const PsCommand& command) {
  return Outcome{0, TRY(list(global, command))};
}

}  // namespace

Command ps_command() {
  return Command::of<PsCommand, describe, perform>({
      .summary = "list the processes of a container",
      .arguments = "ID [PS-ARGUMENT...]",
      .description =
          "Lists the processes in the container's cgroup through ps(1), which gets the arguments after the ID. With "
          "--format json minirun prints only their numbers.",
      .examples = {{{"minirun ps web1 -o pid,rss,args", "choose the columns of ps(1)"},
                    {"minirun ps --format json web1", "an array of pids"}}},
  });
}

}  // namespace minirun
