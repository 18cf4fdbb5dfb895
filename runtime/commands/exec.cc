// SPDX-License-Identifier: Apache-2.0
// `minirun exec`: runs another process in a container. Born in the container's cgroup, it joins the namespaces by the
// pidfd of the first process; by then only its stdio is open from the host.
#include "runtime/commands/command.h"
#include "runtime/commands/deadline_options.h"
#include "runtime/commands/exec_launch.h"
#include "runtime/commands/exec_process.h"
#include "runtime/commands/launch_options.h"
#include "runtime/commands/report_facts.h"
#include "runtime/commands/report_target.h"

namespace minirun {
namespace {

constexpr int kOwnFailure = 255;  // as in runc: the command's own statuses are below

constexpr ExitStatus kExecStatuses[] = {
    {"N", "the command's own status; 0 with --detach"},
    {"128+N", "signal N ended the command"},
    {"124", "--timeout or --cpu-time ended the command"},
    {"127", "the program, or the interpreter that it names, does not exist"},
    {"126", "the program exists but cannot be executed"},
    {"255", "minirun failed; one line on stderr says why"},
};

void describe(Options& options, ExecCommand& command) {
  options.flag("-d,--detach", command.detach, "return once the process runs");
  options.flag("-t,--tty,!--no-tty", command.tty, "give the process a terminal, or none");
  options.flag("--ignore-paused", command.ignore_paused, "wait for a paused container instead of failing");
  options.flag("--tree", command.tree, "when the process ends, end everything that it has started");
  describe_report(options, command.report);
  describe_timing(options, command.timing);
  describe(options, command.deadline);
  options.group("The process");
  describe(options, static_cast<ProcessOptions&>(command));
  options.values("--cgroup", "PATH", command.cgroup, "join this cgroup below the container's");
  options.group("Files and descriptors");
  describe_status_fd(options, command.status_fd);
  options.value("--pid-file", "FILE", command.pid_file, "write the pid of the process to this file");
  options.value("--console-socket", "SOCKET", command.console_socket, "send the terminal to this Unix socket");
  options.value("--pidfd-socket", "SOCKET", command.pidfd_socket, "send a pidfd of the process to this Unix socket");
  options.value("--preserve-fds", "N", command.preserve_fds, "pass N descriptors after stdin, stdout and stderr");
  options.ignored_flag("--no-subreaper", kNoSubreaperText);
  options.id_and_rest(command.id, command.arguments);
}

// A tree that ends with minirun needs minirun to stay, and a process in its own cgroup cannot be in another.
Result<void> check_tree(const ExecCommand& command) {
  if (!command.has_tree()) return {};
  const char* option = command.deadline.timeout ? "--timeout" : command.deadline.cpu_time ? "--cpu-time" : "--tree";
  if (command.detach)
    return fail(ErrorKind::usage, "{} cannot be used with --detach: minirun ends the process", option);
  if (!command.cgroup.empty())
    return fail(ErrorKind::usage, "{} cannot be used with --cgroup: the process gets a cgroup of its own", option);
  return {};
}

Result<Reporting> begin_reporting_of_exec(const GlobalOptions& global, const ExecCommand& command) {
  if (command.report && command.detach)
    return fail(ErrorKind::usage, "--report cannot be used with --detach, which does not wait for the end");
  return Reporting::begin(global, command.report);
}

Error failure(const Error& error, const ExecCommand& command) {
  Error named = name_as_given_to_exec(error, command);
  if (!has_own_status(named)) named.exit_status = kOwnFailure;
  return named;
}

Result<Outcome> perform_exec(const GlobalOptions& global, const ExecCommand& command, const Reporting& reporting) {
  auto checked = check_tree(command);
  if (!checked.ok()) return failure(checked.error(), command);
  auto exec = Exec::begin(global, command);
  if (!exec.ok()) return failure(exec.error(), command);
  auto launched = exec->launch();
  if (!launched.ok()) return failure(exec->explain(launched.error()), command);
  auto outcome = exec->supervise(reporting);
  if (!outcome.ok()) return failure(exec->explain(outcome.error()), command);
  return outcome;
}

Result<Outcome> perform(const GlobalOptions& global, const ExecCommand& command) {
  TimedCommand timed(command.timing, "exec", command.id);
  LaunchOptions options;
  options.preserve_fds = command.preserve_fds;
  auto checked = check_launch_options(options);  // before a descriptor is opened that they could mean
  if (!checked.ok()) return failure(checked.error(), command);
  auto reporting = begin_reporting_of_exec(global, command);
  if (!reporting.ok()) return failure(reporting.error(), command);
  auto outcome = perform_exec(global, command, *reporting);
  if (!outcome.ok() && reporting->is_asked())
    reporting->write(report_of_failure("exec", command.id, outcome.error()), {});
  return outcome;
}

}  // namespace

Command exec_command() {
  Command command = Command::of<ExecCommand, describe, perform>({
      .summary = "run another process in a container",
      .arguments = "ID COMMAND [ARGUMENT...]",
      .description =
          "Runs another process in a container: in its namespaces and its cgroup, under its restrictions. The settings "
          "are those of the process in config.json, or with --process FILE those of FILE, changed by the options. "
          "Everything after ID belongs to the command.\n\n"
          "With --tree the process gets a cgroup of its own below the container's, and when it ends, or minirun does, "
          "all that it has started ends with it. --timeout and --cpu-time do the same: they count for the whole tree, "
          "and --timeout from the start of the command. It takes a container with a cgroup that its processes cannot "
          "leave: one without a writable cgroup mount, and without CAP_SYS_ADMIN.",
      .examples = {{{"minirun exec -t web1 sh", "a shell with a terminal"},
                    {"minirun exec --user 33:33 --env DEBUG=1 web1 /app/check --all",
                     "as user 33, with one more variable"}}},
      .exit_statuses = kExecStatuses,
  });
  command.failure_status = kOwnFailure;
  command.errors_of = "exec failed:";
  return command;
}

}  // namespace minirun
