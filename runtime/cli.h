// The command line as types. The only file that knows CLI11 is cli.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace minirun {

struct GlobalOptions {
  std::string root = "/run/minirun";
  std::string log;
  std::string log_format = "text";
  bool debug = false;
};

struct RunCommand {
  std::string bundle = ".";
  std::optional<std::string> id;  // not given: one is made up
  std::string pid_file;
  std::string console_socket;
  uint32_t preserve_fds = 0;
  bool detach = false;
  bool keep = false;
  bool no_init = false;
  bool no_pivot = false;
};

struct PlanCommand {
  std::string bundle = ".";
  std::string format = "text";
  bool no_init = false;
};

struct DeleteCommand {
  std::string id;
  bool force = false;
};

struct KillCommand {
  std::string id;
  std::string signal = "TERM";
};

struct StateCommand {
  std::string id;
};

struct ListCommand {
  bool quiet = false;
  std::string format = "table";
};

// Nothing is left to do but to print: help, the version, or what was wrong with the command line.
struct PrintAndExit {
  std::string out;    // to stdout
  std::string error;  // to stderr, through report_error
  int status = 0;
};

struct Invocation {
  GlobalOptions global;
  std::variant<PrintAndExit, RunCommand, PlanCommand, DeleteCommand, KillCommand, StateCommand, ListCommand> command;
};

Invocation parse_command_line(int argc, char** argv);

}  // namespace minirun
