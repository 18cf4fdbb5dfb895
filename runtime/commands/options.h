// SPDX-License-Identifier: Apache-2.0
// The command line as types. The only files that know CLI11 are cli.cc and commands/option_groups.cc.
#pragma once

#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "runtime/criu/options.h"
#include "runtime/launch/request.h"
#include "runtime/resources/systemd_scope.h"
#include "sys/result.h"

namespace minirun {

struct GlobalOptions {
  std::string root;  // given or default_root()
  std::string log;
  std::string log_format = "text";
  bool debug = false;
  bool systemd_cgroup = false;
  std::string cgroup_manager = "cgroupfs";
};

struct RunCommand {
  LaunchOptions launch;
  std::optional<std::string> id;  // not given: one is made up
  bool detach = false;
  bool keep = false;
  bool no_init = false;
};

struct CreateCommand {
  static constexpr const char* kErrorsOf = "create";
  LaunchOptions launch;
  std::string id;
  bool init = false;
};

struct StartCommand {
  static constexpr const char* kErrorsOf = "start";
  std::string id;
};

struct PlanCommand {
  std::string bundle = ".";
  std::string format = "text";
  bool no_init = false;
};

struct DeleteCommand {
  static constexpr const char* kErrorsOf = "delete";
  std::string id;
  bool force = false;
};

struct KillCommand {
  static constexpr const char* kErrorsOf = "kill";
  std::string id;
  int signal = SIGTERM;  // 0: asks whether it is there
  bool all = false;
};

struct StopCommand {
  static constexpr const char* kErrorsOf = "stop";
  std::string id;
  std::string signal;  // "": the annotation org.opencontainers.image.stopSignal, else TERM
  std::string timeout = "10s";
};

struct WaitCommand {
  static constexpr const char* kErrorsOf = "wait";
  std::string id;
};

struct StateCommand {
  static constexpr const char* kErrorsOf = "state";
  std::string id;
};

struct ListCommand {
  bool quiet = false;
  std::string format = "table";
};

struct PsCommand {
  static constexpr const char* kErrorsOf = "ps";
  std::string id;
  std::string format = "table";
  std::vector<std::string> arguments;  // for ps(1)
};

struct PauseCommand {
  static constexpr const char* kErrorsOf = "pause";
  std::string id;
};

struct ResumeCommand {
  static constexpr const char* kErrorsOf = "resume";
  std::string id;
};

// As runc has them; absent: unchanged.
struct UpdateCommand {
  static constexpr const char* kErrorsOf = "update";
  std::string id;
  std::string resources;  // a file, "-" for stdin; "": none
  std::optional<uint16_t> blkio_weight;
  std::optional<uint64_t> cpu_period;
  std::optional<int64_t> cpu_quota;
  std::optional<uint64_t> cpu_burst;
  std::optional<uint64_t> cpu_rt_period;
  std::optional<int64_t> cpu_rt_runtime;
  std::optional<uint64_t> cpu_share;
  std::optional<int64_t> cpu_idle;
  std::optional<std::string> cpuset_cpus;
  std::optional<std::string> cpuset_mems;
  std::optional<std::string> memory;  // bytes, or with a suffix k, m, g; -1: no limit
  std::optional<std::string> memory_reservation;
  std::optional<std::string> memory_swap;
  std::optional<std::string> kernel_memory;
  std::optional<std::string> kernel_memory_tcp;
  std::optional<int64_t> pids_limit;
  std::optional<std::string> l3_cache_schema;
  std::optional<std::string> mem_bw_schema;
};

struct EventsCommand {
  static constexpr const char* kErrorsOf = "events";
  std::string id;
  bool stats = false;
  std::string interval = "5s";
};

struct SpecCommand {
  std::string bundle = ".";
  bool rootless = false;
};

struct FeaturesCommand {};

struct ExecCommand {
  static constexpr const char* kErrorsOf = "exec failed:";
  std::string id;
  std::vector<std::string> arguments;
  std::string process;  // file with a process object; "": the container's own, changed by the options below
  std::string cwd;
  std::vector<std::string> env;
  std::string user;
  std::vector<std::string> additional_gids;
  std::vector<std::string> capabilities;
  std::string apparmor;
  std::string process_label;
  std::vector<std::string> cgroup;
  std::string pid_file;
  std::string console_socket;
  std::string pidfd_socket;
  uint32_t preserve_fds = 0;
  std::optional<bool> tty;
  std::optional<bool> no_new_privs;
  bool detach = false;
  bool ignore_paused = false;
};

struct CheckpointCommand : DumpOptions {
  static constexpr const char* kErrorsOf = "checkpoint";
  std::string id;
};

struct RestoreCommand : RestoreOptions {
  static constexpr const char* kErrorsOf = "restore";
  LaunchOptions launch;
  std::string id;
  bool detach = false;
};

// Nothing is left to do but to print: help, the version, or what was wrong with the command line.
struct PrintAndExit {
  std::string out;    // to stdout
  std::string error;  // to stderr, through report_error
  int status = 0;
};

struct Invocation {
  GlobalOptions global;
  std::variant<PrintAndExit, RunCommand, CreateCommand, StartCommand, PlanCommand, DeleteCommand, KillCommand,
               StopCommand, WaitCommand, StateCommand, ListCommand, PsCommand, PauseCommand, ResumeCommand,
               UpdateCommand, EventsCommand, SpecCommand, FeaturesCommand, ExecCommand, CheckpointCommand,
               RestoreCommand>
      command;
};

// The cgroup driver that --systemd-cgroup and --cgroup-manager name.
CgroupDriver cgroup_driver(const GlobalOptions& global);

Invocation parse_command_line(int argc, char** argv);

// /run/minirun for root; $XDG_RUNTIME_DIR/minirun for others and for root of a user's namespace (which engines without
// root make), or /tmp/minirun-UID for others where that is not set.
Result<std::string> default_root();

}  // namespace minirun
