// SPDX-License-Identifier: Apache-2.0
// `minirun kill`: sends a signal to a container's first process, or to all its processes.
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
  std::string signal = "TERM";  // "0": only checks that it exists
  bool all = false;
};

void describe(Options& options, KillCommand& command) {
  options.flag("-a,--all", command.all, "signal every process of the container");
  options.id(command.id);
  options.word("SIGNAL", command.signal);
}

// For a container without a cgroup.
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

// Whether it reached a process. All processes in the cgroup are the container's, even if its first process has ended.
Result<bool> signal_all(const Container& container, int signal, pid_t spared) {
  if (container.record.cgroup.path.empty()) return signal_members(container, signal, spared);
  auto cgroup = TRY(find_cgroup(container));
  if (!cgroup) return false;
  if (signal != SIGKILL) return TRY(signal_processes(cgroup->fd(), signal, spared)) > 0;
  // At once, despite processes that fork, and without walking through cgroups that the container made.
  bool populated = TRY(cgroup->is_populated());
  if (populated) TRY(cgroup->kill());
  return populated;
}

Result<bool> signal_init(const Container& container, int signal) {
  return container.init ? send_signal(container.init.get(), signal) : Result<bool>(false);
}

// minirun's init cannot forward these two signals: they would act on the init itself.
bool is_for_workload(const ContainerRecord& record, int signal) {
  return record.resident_init && (signal == SIGSTOP || signal == SIGCONT);
}

// Whether the signal ends a container that waits for `start`.
Result<bool> ends_a_created_one(const Container& container, int signal) {
  bool asks = signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
  return asks && container.init ? waits_for_start(container.state.fd()) : Result<bool>(false);
}

// A container that an older minirun created has these signals blocked, and no handler (proc_pid_status(5), SigBlk).
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
  // Each process gets it once: the resident init would forward its own to the workload.
  bool spare_init = record.resident_init && signal != SIGKILL && signal != 0 && !ends;
  pid_t spared = container.init && spare_init ? record.init.pid : 0;
  if (TRY(signal_all(container, signal, spared))) return true;
  return signal_init(container, signal);  // not --all, or its cgroup is out of reach
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
