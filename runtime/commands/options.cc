// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/commands/help.h"
#include "runtime/commands/option_groups.h"
#include "runtime/compile/host_facts.h"
#include "runtime/criu/arguments.h"

namespace minirun {
namespace {

const CommandDescription* find_command(std::string_view name) {
  for (const CommandDescription& command : command_descriptions())
    if (command.name == name) return &command;
  return nullptr;
}

// Describing a command to CLI11 costs more than reading a config.json: only the one that is named on the command line
// is described, or all, for help and for the error.
void add_commands(CLI::App& app, const std::vector<std::string>& arguments, CommandOptions* options) {
  app.require_subcommand(1);
  auto named = [&](const char* name) { return std::find(arguments.begin(), arguments.end(), name) != arguments.end(); };
  const auto& all = command_descriptions();
  bool any = std::any_of(all.begin(), all.end(), [&](const auto& command) { return named(command.name); });
  for (const CommandDescription& command : all)
    if (!any || named(command.name)) command.describe(app.add_subcommand(command.name, command.text), options);
}

std::string known_commands() {
  std::string known;
  for (const CommandDescription& command : command_descriptions())
    known += (known.empty() ? "" : ", ") + std::string(command.name);
  return known;
}

std::string unknown_command(std::string_view name) {
  return fmt::format("unknown command \"{}\": one of {} (minirun --help)", name, known_commands());
}

// What CLI11 calls "a subcommand is required".
std::string no_command(const std::vector<std::string>& arguments) {
  if (arguments.empty()) return fmt::format("which command? One of {} (minirun --help)", known_commands());
  if (arguments[0][0] == '-') return "";  // an option that is wrong: CLI11 says how
  return unknown_command(arguments[0]);
}

const CLI::App* subcommand_of(CLI::App& app, const std::string& name) {
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    if (command->get_name() == name) return command;
  return nullptr;
}

// Long options may have one hyphen, as Go's flag package has it ("-no-subreaper"). What follows the id of exec and ps
// is not minirun's to read.
void double_hyphens(CLI::App& app, std::vector<std::string>* arguments) {
  const CLI::App* command = nullptr;
  bool is_value = false;
  for (std::string& argument : *arguments) {
    const CLI::App* where = command != nullptr ? command : &app;
    if (std::exchange(is_value, false)) continue;
    if (argument.empty() || argument[0] != '-') {
      if (command != nullptr && command->get_prefix_command()) return;
      if (command == nullptr) command = subcommand_of(app, argument);
      continue;
    }
    size_t equals = argument.find('=');
    std::string name = argument.substr(0, equals);
    if (name.size() > 2 && name[1] != '-' && where->get_option_no_throw("-" + name) != nullptr) {
      argument.insert(0, "-");
      name.insert(0, "-");
    }
    const CLI::Option* option = where->get_option_no_throw(name);
    is_value = equals == std::string::npos && option != nullptr && option->get_expected_min() > 0;
  }
}

// Engines ask for the help of checkpoint to learn whether containers can be checkpointed: only its status counts.
PrintAndExit help(const std::string& command) {
  if (command.empty()) return PrintAndExit{program_help(), "", 0};
  if (find_command(command) == nullptr) return PrintAndExit{"", unknown_command(command), 1};
  bool needs_criu = command == "checkpoint" || command == "restore";
  auto criu = needs_criu ? find_criu() : Result<std::string>("");
  if (criu.ok()) return PrintAndExit{command_help(command), "", 0};
  return PrintAndExit{command_help(command), fmt::format("{}: {}", command, criu.error().text()), 1};
}

// The command whose help is asked for by --help or `help`; "" for that of the program.
std::string help_topic(const CLI::App& app, const CommandOptions& options) {
  auto chosen = app.get_subcommands();
  if (chosen.empty()) return "";
  bool by_flag = chosen[0]->get_help_ptr()->count() > 0;
  return chosen[0]->get_name() == "help" && !by_flag ? options.help_topic : chosen[0]->get_name();
}

// In the words that podman looks for, of Go's flag packages. "" for another error.
std::string missing_argument(const CLI::ParseError& error) {
  std::string text = error.what();
  size_t colon = text.find(": ");
  bool missing = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ArgumentMismatch) && text[0] == '-' &&
                 text.ends_with(" missing");
  return missing && colon != std::string::npos ? "flag needs an argument: " + text.substr(0, colon) : "";
}

PrintAndExit wrong_usage(const CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& arguments) {
  auto chosen = app.get_subcommands();
  std::string text = missing_argument(error);
  if (text.empty() && chosen.empty()) text = no_command(arguments);
  if (text.empty() && chosen.empty()) text = fmt::format("{} (minirun --help)", error.what());
  if (text.empty()) text = fmt::format("{} (minirun help {})", error.what(), chosen[0]->get_name());
  return PrintAndExit{"", text, !chosen.empty() && chosen[0]->get_name() == "exec" ? 255 : 1};
}

}  // namespace

Result<std::string> default_root() {
  const char* runtime = secure_getenv("XDG_RUNTIME_DIR");
  bool known = runtime != nullptr && runtime[0] == '/';
  if (geteuid() == 0 && (!known || !TRY(is_in_user_namespace()))) return std::string("/run/minirun");
  if (known) return std::string(runtime) + "/minirun";
  return fmt::format("/tmp/minirun-{}", geteuid());
}

CgroupDriver cgroup_driver(const GlobalOptions& global) {
  if (global.systemd_cgroup || global.cgroup_manager == "systemd") return CgroupDriver::systemd;
  return global.cgroup_manager == "disabled" ? CgroupDriver::disabled : CgroupDriver::cgroupfs;
}

Invocation parse_command_line(int argc, char** argv) {
  Invocation invocation;
  CommandOptions options;
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  auto root = default_root();
  if (root.ok()) invocation.global.root = *root;
  CLI::App app("minirun: an OCI container runtime", "minirun");
  describe_globals(&app, &invocation.global);
  add_commands(app, arguments, &options);
  double_hyphens(app, &arguments);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 wants them reversed
    const CLI::App* chosen = app.get_subcommands()[0];
    invocation.command = find_command(chosen->get_name())->take(*chosen, options);
    if (invocation.global.root.empty() && !root.ok())
      invocation.command = PrintAndExit{"", root.error().text(), chosen->get_name() == "exec" ? 255 : 1};
  } catch (const CLI::CallForHelp&) {
    invocation.command = help(help_topic(app, options));
  } catch (const CLI::CallForVersion& version) {
    invocation.command = PrintAndExit{version.what(), "", 0};
  } catch (const CLI::ParseError& error) {
    invocation.command = wrong_usage(app, error, arguments);
  }
  return invocation;
}

}  // namespace minirun
