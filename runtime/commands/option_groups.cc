// SPDX-License-Identifier: Apache-2.0
// What each command takes, described to CLI11. Flags and spellings are runc's where it has them.
#include "runtime/commands/option_groups.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "runtime/commands/describe_options.h"
#include "runtime/commands/help.h"
#include "runtime/text/signal_name.h"

namespace minirun {
namespace {

void add_run(CLI::App* command, CommandOptions* options) {
  RunCommand& run = options->run;
  begin_group(command, "Options");
  command->add_flag("-d,--detach", run.detach, "return once the workload runs");
  command->add_flag("--keep", run.keep, "keep the container's state after its end, for wait and state");
  command->add_flag("--no-init", run.no_init, "run the workload as PID 1, without minirun's init");
  add_launch(command, &run.launch);
  add_ignored(command, "--no-subreaper", kNoSubreaperText);
  command->add_option("ARGUMENTS", options->positionals, "[BUNDLE] [ID]")->expected(0, 2);
}

void add_create(CLI::App* command, CommandOptions* options) {
  CreateCommand& create = options->create;
  begin_group(command, "Options");
  command->add_flag("--init", create.init, "run minirun's init as PID 1, with the workload as its child");
  add_launch(command, &create.launch);
  add_ignored(command, "--no-subreaper", kNoSubreaperText);
  add_ignored(command, "--keep", "accepted for compatibility, ignored: a created container stays until it is deleted");
  add_id(command, &create.id);
}

void add_start(CLI::App* command, CommandOptions* options) {
  add_id(command, &options->start.id);
}

void add_plan(CLI::App* command, CommandOptions* options) {
  begin_group(command, "Options");
  command->add_flag("--no-init", options->plan.no_init, "plan for run --no-init");
  command->add_option("-f,--format", options->plan.format, "how to print the steps (default: text)")
      ->check(CLI::IsMember({"text", "json"}));
  command->add_option("BUNDLE", options->plan.bundle, "the bundle's directory (default: the current one)");
}

void add_delete(CLI::App* command, CommandOptions* options) {
  begin_group(command, "Options");
  command->add_flag("-f,--force", options->remove.force, "kill what still runs; accept an unknown ID");
  add_id(command, &options->remove.id);
}

void add_kill(CLI::App* command, CommandOptions* options) {
  begin_group(command, "Options");
  command->add_flag("-a,--all", options->kill.all, "signal every process of the container");
  add_id(command, &options->kill.id);
  command->add_option("SIGNAL", options->signal, "number or name (default: TERM)");
}

AnyCommand take_kill(CommandOptions* options) {
  auto signal = options->signal == "0" ? Result<int>(0) : parse_signal(options->signal);
  if (!signal.ok()) return PrintAndExit{"", signal.error().text(), 1};
  options->kill.signal = *signal;
  return options->kill;
}

void add_stop(CLI::App* command, CommandOptions* options) {
  begin_group(command, "Options");
  add_value(command, "-s,--signal", "SIGNAL", options->stop.signal,
            "number or name (default: the image's stop signal, else TERM)");
  add_value(command, "-t,--timeout", "TIME", options->stop.timeout,
            "kill what still runs after this time, such as 500ms, 10s or 1m30s (default: 10s)");
  add_id(command, &options->stop.id);
}

void add_wait(CLI::App* command, CommandOptions* options) {
  add_id(command, &options->wait.id);
}

void add_state(CLI::App* command, CommandOptions* options) {
  add_id(command, &options->state.id);
}

void add_list(CLI::App* command, CommandOptions* options) {
  begin_group(command, "Options");
  command->add_flag("-q,--quiet", options->list.quiet, "print only the ids");
  command->add_option("-f,--format", options->list.format, "how to print the containers (default: table)")
      ->check(CLI::IsMember({"table", "json"}));
}

void add_ps(CLI::App* command, CommandOptions* options) {
  begin_group(command, "Options");
  command->add_option("-f,--format", options->ps.format, "how to print the processes (default: table)")
      ->check(CLI::IsMember({"table", "json"}));
  command->prefix_command();
}

void add_pause(CLI::App* command, CommandOptions* options) {
  add_id(command, &options->pause.id);
}

void add_resume(CLI::App* command, CommandOptions* options) {
  add_id(command, &options->resume.id);
}

void add_update(CLI::App* command, CommandOptions* options) {
  UpdateCommand& update = options->update;
  begin_group(command, "Options");
  add_value(command, "-r,--resources", "FILE", update.resources, "a resources object as in config.json; - reads stdin");
  begin_group(command, "Memory");
  add_value(command, "--memory", "SIZE", update.memory, "memory limit, such as 64M; -1: no limit");
  add_value(command, "--memory-reservation", "SIZE", update.memory_reservation,
            "memory protected from reclaim, such as 32M");
  add_value(command, "--memory-swap", "SIZE", update.memory_swap,
            "memory and swap together, such as 128M; -1: no limit");
  begin_group(command, "CPU");
  add_value(command, "--cpu-quota", "USEC", update.cpu_quota, "microseconds of CPU time in each period; -1: no limit");
  add_value(command, "--cpu-period", "USEC", update.cpu_period, "length of the period, 1000 to 1000000");
  add_value(command, "--cpu-burst", "USEC", update.cpu_burst, "unused quota that may be saved for later");
  add_value(command, "--cpu-share", "N", update.cpu_share, "weight of its CPU use against other cgroups, 2 to 262144");
  add_value(command, "--cpu-idle", "0|1", update.cpu_idle, "1: run only when nothing else wants the CPU");
  add_value(command, "--cpuset-cpus", "LIST", update.cpuset_cpus, "CPUs to run on, such as 0-3,7");
  add_value(command, "--cpuset-mems", "LIST", update.cpuset_mems, "memory nodes to use, such as 0-1");
  begin_group(command, "Processes and I/O");
  add_value(command, "--pids-limit", "N", update.pids_limit, "number of processes and threads; -1: no limit");
  add_value(command, "--blkio-weight", "N", update.blkio_weight, "weight of its I/O against other cgroups, 10 to 1000");
  begin_group(command, "Intel RDT");
  add_value(command, "--l3-cache-schema", "SCHEMA", update.l3_cache_schema, "cache allocation, such as L3:0=f0");
  add_value(command, "--mem-bw-schema", "SCHEMA", update.mem_bw_schema, "memory bandwidth, such as MB:0=70");
  begin_group(command, "Only for cgroup v1 (refused unless they ask for nothing)");
  add_value(command, "--cpu-rt-period", "USEC", update.cpu_rt_period, "period of real-time tasks");
  add_value(command, "--cpu-rt-runtime", "USEC", update.cpu_rt_runtime, "CPU time of real-time tasks");
  add_value(command, "--kernel-memory", "SIZE", update.kernel_memory, "kernel memory limit");
  add_value(command, "--kernel-memory-tcp", "SIZE", update.kernel_memory_tcp, "TCP buffer memory limit");
  add_id(command, &update.id);
}

void add_events(CLI::App* command, CommandOptions* options) {
  begin_group(command, "Options");
  command->add_flag("--stats", options->events.stats, "print the counters once");
  add_value(command, "--interval", "TIME", options->events.interval,
            "time between two prints, such as 500ms or 1m (default: 5s)");
  add_id(command, &options->events.id);
}

void add_spec(CLI::App* command, CommandOptions* options) {
  begin_group(command, "Options");
  add_value(command, "-b,--bundle", "DIR", options->spec.bundle,
            "write config.json here (default: the current directory)");
  command->add_flag("--rootless", options->spec.rootless, "write it for a container of the calling user");
}

void add_features(CLI::App*, CommandOptions*) {}

void add_help(CLI::App* command, CommandOptions* options) {
  command->add_option("COMMAND", options->help_topic, "one of the commands");
}

void add_exec(CLI::App* command, CommandOptions* options) {
  ExecCommand& exec = options->exec;
  begin_group(command, "Options");
  command->add_flag("-d,--detach", exec.detach, "return once the process runs");
  add_choice(command, "-t,--tty,!--no-tty", &exec.tty, "give the process a terminal, or none");
  command->add_flag("--ignore-paused", exec.ignore_paused, "wait for a paused container instead of failing");
  begin_group(command, "The process");
  add_value(command, "-p,--process", "FILE", exec.process, "take a process object of config.json from this file");
  add_value(command, "--cwd", "DIR", exec.cwd, "working directory, in the container");
  add_values(command, "-e,--env", "NAME=VALUE", exec.env, "set one more variable (may be repeated)");
  add_value(command, "-u,--user", "UID[:GID]", exec.user, "run as this user, in numbers");
  add_values(command, "-g,--additional-gids", "GID", exec.additional_gids, "add a group (may be repeated)");
  add_values(command, "-c,--cap", "CAPABILITY", exec.capabilities, "add a capability (may be repeated)");
  add_choice(command, "--no-new-privs", &exec.no_new_privs, "set no_new_privs");
  add_value(command, "--apparmor", "PROFILE", exec.apparmor, "use this AppArmor profile");
  add_value(command, "--process-label", "LABEL", exec.process_label, "use this SELinux label");
  add_values(command, "--cgroup", "PATH", exec.cgroup, "join this cgroup below the container's");
  begin_group(command, "Files and descriptors");
  add_value(command, "--pid-file", "FILE", exec.pid_file, "write the pid of the process to this file");
  add_value(command, "--console-socket", "SOCKET", exec.console_socket, "send the terminal to this Unix socket");
  add_value(command, "--pidfd-socket", "SOCKET", exec.pidfd_socket, "send a pidfd of the process to this Unix socket");
  add_value(command, "--preserve-fds", "N", exec.preserve_fds, "hand on N descriptors after stdin, stdout and stderr");
  add_ignored(command, "--no-subreaper", kNoSubreaperText);
  command->prefix_command();
}

// `ps ID [ARGUMENTS]` and `exec ID COMMAND`: what follows the id is not minirun's to read.
void take_rest(const CLI::App& command, std::string* id, std::vector<std::string>* rest) {
  std::vector<std::string> words = command.remaining();
  if (words.empty()) throw CLI::RequiredError("ID");
  if (words[0].starts_with("-") && words[0].size() > 1) throw CLI::ExtrasError(command.get_name(), {words[0]});
  *id = words[0];
  size_t first = words.size() > 1 && words[1] == "--" ? 2 : 1;
  rest->assign(words.begin() + static_cast<ptrdiff_t>(first), words.end());
}

// One argument alone is a bundle if it looks like one, as in `minirun run bundle/`; else it is an id, as runc has it.
void take_run_positionals(const CLI::App& command, CommandOptions* options) {
  const auto& given = options->positionals;
  RunCommand& run = options->run;
  if (command.count("--bundle") > 0) {
    if (!given.empty()) run.id = given.back();
    return;
  }
  if (given.empty()) return;
  const std::string& first = given[0];
  bool is_bundle = given.size() == 2 || first.find('/') != std::string::npos || first == "." || first == ".." ||
                   access((first + "/config.json").c_str(), F_OK) == 0;
  if (is_bundle)
    run.launch.bundle = first;
  else
    run.id = first;
  if (given.size() == 2) run.id = given[1];
}

}  // namespace

void add_launch(CLI::App* command, LaunchOptions* launch) {
  add_value(command, "-b,--bundle", "DIR", launch->bundle, "the bundle's directory (default: the current one)");
  command->add_flag("--no-pivot", launch->no_pivot,
                    "change the root without pivot_root, for a host whose root is an initramfs");
  command->add_flag("--no-new-keyring", launch->no_new_keyring, "keep the caller's session keyring");
  begin_group(command, "Files and descriptors");
  add_value(command, "--pid-file", "FILE", launch->pid_file, "write the pid of the container's first process here");
  add_value(command, "--console-socket", "SOCKET", launch->console_socket, "send the terminal to this Unix socket");
  add_value(command, "--pidfd-socket", "SOCKET", launch->pidfd_socket,
            "send a pidfd of the container's first process to this Unix socket");
  add_value(command, "--preserve-fds", "N", launch->preserve_fds,
            "hand on N descriptors after stdin, stdout and stderr");
}

void describe_globals(CLI::App* app, GlobalOptions* global) {
  app->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app->set_help_flag("-h,--help", "print this help");
  app->set_version_flag("-v,-V,--version", version_text, "print the version");
  add_value(app, "--root", "DIR", global->root, "keep the state of containers here");
  begin_group(app, "Log");
  add_value(app, "--log", "FILE", global->log, "also write errors to this file and, with --debug, each step");
  app->add_option("--log-format", global->log_format, "format of the file (default: text)")
      ->check(CLI::IsMember({"text", "json"}));
  app->add_flag("--debug", global->debug, "log what minirun does");
  app->add_option_function<std::string>(
         "--log-level", [global](const std::string& level) { global->debug |= level == "debug"; },
         "debug: same as --debug; all other levels: errors only")
      ->check(CLI::IsMember({"debug", "info", "warn", "warning", "error"}));
  begin_group(app, "Cgroup");
  app->add_option("--cgroup-manager", global->cgroup_manager, "how the cgroup is made (default: cgroupfs)")
      ->check(CLI::IsMember({"cgroupfs", "systemd", "disabled"}));
  app->add_flag("--systemd-cgroup", global->systemd_cgroup, "same as --cgroup-manager systemd");
  begin_group(app, "Options");
  add_ignored(app, "--rootless", "accepted for compatibility, ignored: minirun detects the caller");
}

const std::vector<CommandDescription>& command_descriptions() {
  static const std::vector<CommandDescription> kCommands = {
      {"run", "create and start a container, wait for it, return its exit status", add_run,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand {
         take_run_positionals(app, &o);
         return o.run;
       }},
      {"create", "make a container that waits for start", add_create,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.create; }},
      {"start", "run the workload of a created container", add_start,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.start; }},
      {"exec", "run another process in a container", add_exec,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand {
         take_rest(app, &o.exec.id, &o.exec.arguments);
         return o.exec;
       }},
      {"state", "print a container's state as JSON", add_state,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.state; }},
      {"list", "list the containers", add_list,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.list; }},
      {"ps", "list the processes of a container", add_ps,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand {
         take_rest(app, &o.ps.id, &o.ps.arguments);
         return o.ps;
       }},
      {"kill", "send a signal to the container's first process", add_kill,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return take_kill(&o); }},
      {"stop", "end a container: its stop signal first, SIGKILL after a time", add_stop,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.stop; }},
      {"wait", "wait until a container ends, return its exit status", add_wait,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.wait; }},
      {"delete", "remove an ended container, or with --force any", add_delete,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.remove; }},
      {"pause", "freeze all processes of a container", add_pause,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.pause; }},
      {"resume", "let a paused container continue", add_resume,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.resume; }},
      {"update", "change the limits of a container", add_update,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.update; }},
      {"events", "print counters and events of a container", add_events,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.events; }},
      {"plan", "print what run would do, step by step, without doing it", add_plan,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.plan; }},
      {"spec", "write a config.json to start from", add_spec,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.spec; }},
      {"features", "print what this minirun supports, as JSON", add_features,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.features; }},
      {"checkpoint", "save a running container, through criu", add_checkpoint,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.checkpoint; }},
      {"restore", "bring a saved container back, through criu", add_restore,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.restore; }},
      {"help", "print the help of a command", add_help,
       [](const CLI::App& app, CommandOptions&) -> AnyCommand { throw CLI::CallForHelp(app.get_name(), 0); }},
  };
  return kCommands;
}

}  // namespace minirun
