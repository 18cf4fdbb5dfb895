// SPDX-License-Identifier: Apache-2.0
// `minirun kill`: a signal to a container's first process, or to all of them.
#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <optional>

#include "cgroups/signal.h"
#include "runtime/commands/command.h"
#include "runtime/container/container.h"
#include "runtime/container/pid_namespace.h"
#include "runtime/container/start_socket.h"
#include "runtime/text/signal_name.h"
#include "sys/pidfd.h"
#include "sys/process_stat.h"

namespace minirun {
namespace {

struct KillCommand {
  std::string id;
  std::string signal = "TERM";  // "0": asks whether it is there
  bool all = false;
};

void describe(Options& options, KillCommand& command) {
  options.flag("-a,--all", command.all, "signal every process of the container");
  options.id(command.id);
  options.word("SIGNAL", command.signal);
}

// Of a container without a cgroup.
Result<bool> signal_members(const Container& container, int signal, pid_t spared) {
  if (!container.init) return false;
  bool any = false;
  for (const PidNamespaceMember& member : TRY(pid_namespace_members(container.record.init.pid, container.init.get()))) {
    if (member.pid == spared) continue;
    auto sent = send_signal(member.pidfd.get(), signal);
    if (!sent.ok()) return fail(sent.error().code, "send signal {} to pid {}", signal, member.pid);
    any = any || *sent;
  }
  return any;
}

// Whether it reached a process. What is in the cgroup is the container's, also when its first process has ended.
Result<bool> signal_all(const Container& container, int signal, pid_t spared) {
  if (container.record.cgroup.path.empty()) return signal_members(container, signal, spared);
  auto cgroup = TRY(find_cgroup(container));
  if (!cgroup) return false;
  if (signal != SIGKILL) return TRY(signal_processes(cgroup->fd(), signal, spared)) > 0;
  // At once, against those that fork meanwhile, and without a walk through cgroups that the container may have made.
  bool populated = TRY(cgroup->is_populated());
  if (populated) TRY(cgroup->kill());
  return populated;
}

Result<bool> signal_init(const Container& container, int signal) {
  return container.init ? send_signal(container.init.get(), signal) : Result<bool>(false);
}

// Two signals say nothing to minirun's init that it could hand on: what it would do with them concerns itself.
bool is_for_workload(const ContainerRecord& record, int signal) {
  return record.resident_init && (signal == SIGSTOP || signal == SIGCONT);
}

// A signal that asks what waits for `start` to end.
Result<bool> ends_a_created_one(const Container& container, int signal) {
  bool asks = signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
  return asks && container.init ? waits_for_start(container.state.fd()) : Result<bool>(false);
}

// What an older minirun has created has these signals blocked, and no handler (proc_pid_status(5), SigBlk).
bool is_deaf_to(const Container& container, int signal) {
  auto status = read_status(container.record.init.pid);
  auto blocked = status.ok() ? status_field(*status, "SigBlk") : std::nullopt;
  return blocked && (strtoull(blocked->c_str(), nullptr, 16) >> (signal - 1) & 1) != 0;
}

Result<bool> deliver(const Container& container, int signal, bool all) {
  const ContainerRecord& record = container.record;
  bool ends = TRY(ends_a_created_one(container, signal));
  if (ends && !record.resident_init && is_deaf_to(container, signal)) signal = SIGKILL;
  bool shared_pids_end = signal == SIGKILL && !record.own_pid_namespace;
  if (!all && !shared_pids_end && !is_for_workload(record, signal)) return signal_init(container, signal);
  // Everybody once: the resident init would hand its own on to the workload.
  bool spare_init = record.resident_init && signal != SIGKILL && signal != 0 && !ends;
  pid_t spared = container.init && spare_init ? record.init.pid : 0;
  if (TRY(signal_all(container, signal, spared))) return true;
  return signal_init(container, signal);  // alone, or its cgroup is out of reach
}

Result<Outcome> perform(const GlobalOptions& global, const KillCommand& command) {
  int signal = command.signal == "0" ? 0 : TRY(parse_signal(command.signal));
  Container found = TRY(find_processes(global.root, command.id));
  bool sent = TRY(deliver(found, signal, command.all));
  if (!sent) return fail(ErrorKind::state, "container not running: no such process");
  return Outcome{};
}

}  // namespace

Command kill_command() {
  return Command::of<KillCommand, describe, perform>({
      .summary = "send a signal to the container's first process",
      .arguments = "ID [SIGNAL]",
      .description =
          "Sends SIGNAL, TERM by default, to the container's first process, or with --all to every process of the "
          "container. minirun holds the process by a pidfd, so a reused pid is never signalled.",
      .examples = {{{"minirun kill web1 HUP", "send SIGHUP"},
                    {"minirun kill --all web1 KILL", "kill every process of web1"}}},
  });
}

}  // namespace minirun
