// What each command takes, described to CLI11. Flags and spellings are runc's where it has them.
#include "runtime/commands/option_groups.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>

namespace minirun {
namespace {

void add_launch(CLI::App* command, LaunchOptions* launch) {
  command->add_option("-b,--bundle", launch->bundle, "the bundle's directory (default: the current one)");
  command->add_option("--pid-file", launch->pid_file, "write the pid of the container's first process to this file");
  command->add_option("--console-socket", launch->console_socket,
                      "send the terminal's descriptor to this AF_UNIX socket");
  command->add_option("--pidfd-socket", launch->pidfd_socket,
                      "send a pidfd of the container's first process to this AF_UNIX socket");
  command->add_option("--preserve-fds", launch->preserve_fds, "pass this many descriptors after stdio on");
  command->add_flag("--no-pivot", launch->no_pivot, "change the root without pivot_root (host root is an initramfs)");
  command->add_flag("--no-new-keyring", launch->no_new_keyring,
                    "keep the caller's session keyring instead of a new one");
}

void ignore_flag(CLI::App* command, const char* name, const char* why) {
  command->add_flag(
      name, [](int64_t) {}, why);
}

CLI::Option* add_id(CLI::App* command, std::string* id) {
  return command->add_option("ID", *id, "the container")->required();
}

void add_run(CLI::App* command, CommandOptions* options) {
  RunCommand& run = options->run;
  add_launch(command, &run.launch);
  command->add_flag("-d,--detach", run.detach, "return when the container runs");
  command->add_flag("--keep", run.keep, "keep the container's state after it has ended");
  command->add_flag("--no-init", run.no_init, "run the workload as PID 1 itself, without minirun's init");
  ignore_flag(command, "--no-subreaper", "accepted and needless: minirun is a subreaper only while a hook runs");
  command->add_option("ARGUMENTS", options->positionals, "[BUNDLE] [ID]")->expected(0, 2);
}

void add_create(CLI::App* command, CommandOptions* options) {
  CreateCommand& create = options->create;
  add_launch(command, &create.launch);
  command->add_flag("--init", create.init, "put minirun's init before the workload, as PID 1");
  ignore_flag(command, "--no-subreaper", "accepted and needless: minirun is a subreaper only while a hook runs");
  ignore_flag(command, "--keep", "accepted and needless: what was created stays until it is deleted");
  add_id(command, &create.id);
}

void add_start(CLI::App* command, CommandOptions* options) {
  add_id(command, &options->start.id);
}

void add_plan(CLI::App* command, CommandOptions* options) {
  command->add_option("BUNDLE", options->plan.bundle, "the bundle's directory (default: the current one)");
  command->add_option("-f,--format", options->plan.format, "text or json")->check(CLI::IsMember({"text", "json"}));
  command->add_flag("--no-init", options->plan.no_init, "plan for run --no-init");
}

void add_delete(CLI::App* command, CommandOptions* options) {
  command->add_flag("-f,--force", options->remove.force,
                    "kill what still runs; no error if there is no such container");
  add_id(command, &options->remove.id);
}

void add_kill(CLI::App* command, CommandOptions* options) {
  command->add_flag("-a,--all", options->kill.all, "to every process of the container");
  add_id(command, &options->kill.id);
  command->add_option("SIGNAL", options->kill.signal, "number or name, TERM when not given");
}

void add_stop(CLI::App* command, CommandOptions* options) {
  command->add_option("-s,--signal", options->stop.signal,
                      "number or name (default: the image's stop signal, or TERM)");
  command->add_option("-t,--timeout", options->stop.timeout,
                      "kill what still runs after this time, as in 10s, 500ms, 1m30s (default 10s)");
  add_id(command, &options->stop.id);
}

void add_wait(CLI::App* command, CommandOptions* options) {
  add_id(command, &options->wait.id);
}

void add_state(CLI::App* command, CommandOptions* options) {
  add_id(command, &options->state.id);
}

void add_list(CLI::App* command, CommandOptions* options) {
  command->add_flag("-q,--quiet", options->list.quiet, "ids only");
  command->add_option("-f,--format", options->list.format, "table or json")->check(CLI::IsMember({"table", "json"}));
}

void add_ps(CLI::App* command, CommandOptions* options) {
  command->add_option("-f,--format", options->ps.format, "table or json")->check(CLI::IsMember({"table", "json"}));
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
  command->add_option("-r,--resources", update.resources, "file with a resources object of config.json, - for stdin");
  command->add_option("--blkio-weight", update.blkio_weight, "I/O weight, 10 to 1000");
  command->add_option("--cpu-period", update.cpu_period, "microseconds");
  command->add_option("--cpu-quota", update.cpu_quota, "microseconds in each period");
  command->add_option("--cpu-burst", update.cpu_burst, "microseconds");
  command->add_option("--cpu-rt-period", update.cpu_rt_period, "cgroup v1 only");
  command->add_option("--cpu-rt-runtime", update.cpu_rt_runtime, "cgroup v1 only");
  command->add_option("--cpu-share", update.cpu_share, "2 to 262144");
  command->add_option("--cpu-idle", update.cpu_idle, "0 or 1");
  command->add_option("--cpuset-cpus", update.cpuset_cpus, "as in 0-3,7");
  command->add_option("--cpuset-mems", update.cpuset_mems, "as in 0-1");
  command->add_option("--memory", update.memory, "memory limit in bytes");
  command->add_option("--memory-reservation", update.memory_reservation, "protected memory in bytes");
  command->add_option("--memory-swap", update.memory_swap, "memory and swap in bytes, -1: no limit");
  command->add_option("--kernel-memory", update.kernel_memory, "cgroup v1 only");
  command->add_option("--kernel-memory-tcp", update.kernel_memory_tcp, "cgroup v1 only");
  command->add_option("--pids-limit", update.pids_limit, "number of processes, -1: no limit");
  command->add_option("--l3-cache-schema", update.l3_cache_schema, "Intel RDT cache allocation");
  command->add_option("--mem-bw-schema", update.mem_bw_schema, "Intel RDT memory bandwidth");
  add_id(command, &update.id);
}

void add_events(CLI::App* command, CommandOptions* options) {
  command->add_flag("--stats", options->events.stats, "print the counters once");
  command->add_option("--interval", options->events.interval, "time between two prints, as in 5s (the default)");
  add_id(command, &options->events.id);
}

void add_spec(CLI::App* command, CommandOptions* options) {
  command->add_option("-b,--bundle", options->spec.bundle, "where to write config.json (default: here)");
  command->add_flag("--rootless", options->spec.rootless, "for a container of the user who calls");
}

void add_features(CLI::App*, CommandOptions*) {}

void add_exec(CLI::App* command, CommandOptions* options) {
  ExecCommand& exec = options->exec;
  command->add_option("-p,--process", exec.process, "file with a process object of config.json");
  command->add_option("--cwd", exec.cwd, "working directory");
  command->add_option("-e,--env", exec.env, "NAME=value, for one more variable")->allow_extra_args(false)->take_all();
  command->add_option("-u,--user", exec.user, "UID[:GID]");
  command->add_option("-g,--additional-gids", exec.additional_gids, "one more group")
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("-c,--cap", exec.capabilities, "one more capability")->allow_extra_args(false)->take_all();
  command->add_option("--apparmor", exec.apparmor, "AppArmor profile");
  command->add_option("--process-label", exec.process_label, "SELinux label");
  command->add_option("--cgroup", exec.cgroup, "cgroup below the container's")->allow_extra_args(false)->take_all();
  command->add_option("--pid-file", exec.pid_file, "write the pid of the process to this file");
  command->add_option("--console-socket", exec.console_socket, "send the terminal's descriptor to this AF_UNIX socket");
  command->add_option("--pidfd-socket", exec.pidfd_socket, "send a pidfd of the process to this AF_UNIX socket");
  command->add_option("--preserve-fds", exec.preserve_fds, "pass this many descriptors after stdio on");
  command->add_flag("-t,--tty,!--no-tty", exec.tty, "with a terminal");
  // Not given is not false: then the container's own setting holds.
  command->add_flag_function(
      "--no-new-privs",
      [&exec](int64_t count) {
        if (count != 0) exec.no_new_privs = count > 0;
      },
      "set no_new_privs");
  command->add_flag("-d,--detach", exec.detach, "return when the process runs");
  command->add_flag("--ignore-paused", exec.ignore_paused, "also in a paused container");
  ignore_flag(command, "--no-subreaper", "accepted and needless: minirun is a subreaper only while a hook runs");
  command->prefix_command();
}

void add_checkpoint(CLI::App* command, CommandOptions* options) {
  CheckpointCommand& checkpoint = options->checkpoint;
  command->add_option("--image-path", checkpoint.image_path, "directory for the images (default: checkpoint)");
  command->add_option("--work-path", checkpoint.work_path, "directory for criu's log and work files");
  command->add_option("--parent-path", checkpoint.parent_path, "images of an earlier --pre-dump, relative");
  command->add_option("--page-server", checkpoint.page_server, "ADDRESS:PORT of a criu page server");
  command->add_option("--manage-cgroups-mode", checkpoint.manage_cgroups_mode, "soft, full, strict or ignore");
  command->add_option("--empty-ns", checkpoint.empty_ns, "namespaces made, not restored (network)")
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("--status-fd", checkpoint.status_fd, "criu writes a NUL to it when lazy pages can be served");
  command->add_flag("--leave-running", checkpoint.leave_running, "the container runs on");
  command->add_flag("--tcp-established", checkpoint.tcp_established, "allow open TCP connections");
  command->add_flag("--tcp-skip-in-flight", checkpoint.tcp_skip_in_flight, "skip TCP connections in flight");
  command->add_flag("--link-remap", checkpoint.link_remap, "allow links to unlinked files");
  command->add_flag("--ext-unix-sk", checkpoint.ext_unix_sk, "allow external unix sockets");
  command->add_flag("--shell-job", checkpoint.shell_job, "allow a shell's job");
  command->add_flag("--lazy-pages", checkpoint.lazy_pages, "leave memory for a page server");
  command->add_flag("--file-locks", checkpoint.file_locks, "allow file locks");
  command->add_flag("--pre-dump", checkpoint.pre_dump, "memory only, the container runs on");
  command->add_flag("--auto-dedup", checkpoint.auto_dedup, "drop memory from parent images");
  add_id(command, &checkpoint.id);
}

void add_restore(CLI::App* command, CommandOptions* options) {
  RestoreCommand& restore = options->restore;
  add_launch(command, &restore.launch);
  command->add_option("--image-path", restore.image_path, "directory of the images (default: checkpoint)");
  command->add_option("--work-path", restore.work_path, "directory for criu's log and work files");
  command->add_option("--manage-cgroups-mode", restore.manage_cgroups_mode, "soft, full, strict or ignore");
  command->add_option("--empty-ns", restore.empty_ns, "namespaces made, not restored (network)")
      ->allow_extra_args(false)
      ->take_all();
  command->add_option("--lsm-profile", restore.lsm_profile, "TYPE:NAME of the LSM profile to restore with");
  command->add_option("--lsm-mount-context", restore.lsm_mount_context, "LSM mount context to restore with");
  command->add_flag("-d,--detach", restore.detach, "return when the container runs");
  command->add_flag("--tcp-established", restore.tcp_established, "allow open TCP connections");
  command->add_flag("--ext-unix-sk", restore.ext_unix_sk, "allow external unix sockets");
  command->add_flag("--shell-job", restore.shell_job, "allow a shell's job");
  command->add_flag("--file-locks", restore.file_locks, "allow file locks");
  command->add_flag("--auto-dedup", restore.auto_dedup, "drop memory from the images once restored");
  command->add_flag("--lazy-pages", restore.lazy_pages, "fetch memory when it is needed");
  ignore_flag(command, "--no-subreaper", "accepted and needless: minirun is a subreaper only while a hook runs");
  add_id(command, &restore.id);
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

void describe_globals(CLI::App* app, GlobalOptions* global) {
  app->add_option("--root", global->root, "directory for the state of containers")->capture_default_str();
  app->add_option("--log", global->log, "file for errors and, with --debug, what minirun does");
  app->add_option("--log-format", global->log_format, "text or json")->check(CLI::IsMember({"text", "json"}));
  app->add_option_function<std::string>(
         "--log-level", [global](const std::string& level) { global->debug = level == "debug"; },
         "debug, info, warn or error: all but debug are the same")
      ->check(CLI::IsMember({"debug", "info", "warn", "warning", "error"}));
  app->add_flag("--debug", global->debug, "log what minirun does");
  app->add_flag("--systemd-cgroup", global->systemd_cgroup, "let systemd manage the cgroup");
  app->add_option("--cgroup-manager", global->cgroup_manager, "cgroupfs, systemd or disabled")
      ->check(CLI::IsMember({"cgroupfs", "systemd", "disabled"}));
  app->add_flag_function(
      "--rootless", [](int64_t) {}, "accepted and needless: minirun looks who calls");
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
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.kill; }},
      {"stop", "end a container: its stop signal first, SIGKILL after a time", add_stop,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.stop; }},
      {"wait", "wait until a container ends, return its exit status", add_wait,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.wait; }},
      {"delete", "remove an ended container, or with --force any", add_delete,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.remove; }},
      {"pause", "freeze all processes of a container", add_pause,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.pause; }},
      {"resume", "let a paused container go on", add_resume,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.resume; }},
      {"update", "change the limits of a container", add_update,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.update; }},
      {"events", "print counters and events of a container", add_events,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.events; }},
      {"plan", "print what run would do, step by step, without doing it", add_plan,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.plan; }},
      {"spec", "write a config.json to start from", add_spec,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.spec; }},
      {"features", "print what this minirun can do, as JSON", add_features,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.features; }},
      {"checkpoint", "save a running container, through criu", add_checkpoint,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.checkpoint; }},
      {"restore", "bring a saved container back, through criu", add_restore,
       []([[maybe_unused]] const CLI::App& app, CommandOptions& o) -> AnyCommand { return o.restore; }},
  };
  return kCommands;
}

}  // namespace minirun
