// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "runtime/commands/command_table.h"
#include "runtime/commands/help.h"

namespace minirun {
namespace {

using Words = std::vector<std::string>;
using Commands = std::map<std::string, Command>;

// Only the commands that the command line names: listing the options of all for CLI11 takes longer than reading a
// config.json.
Commands list_commands(Parser& parser, const Words& arguments) {
  Commands commands;
  for (const CommandRow& row : command_rows()) {
    if (std::find(arguments.begin(), arguments.end(), row.name) == arguments.end()) continue;
    std::string name(row.name);
    commands.emplace(name, row.make()).first->second.describe(parser.command(name));
  }
  return commands;
}

Error usage_error(const Parser::Answer& answer) {
  if (answer.no_command) return unknown_command(*answer.no_command);
  if (!answer.error.empty()) return fail(ErrorKind::usage, "{}", answer.error);
  return fail(ErrorKind::usage, "no command given: one of {} (minirun --help)", command_names());
}

// The prefix of the command's errors.
std::string errors_of(const Parser::Answer& answer, const Command& command) {
  if (!answer.id) return "";
  return fmt::format("{} {}", command.errors_of.empty() ? answer.command : command.errors_of, *answer.id);
}

}  // namespace

Invocation parse_command_line(int argc, char** argv) {
  Words arguments(argv + std::min(argc, 1), argv + argc);
  auto root = default_root();
  GlobalOptions global;
  if (root.ok()) global.root = *root;
  Parser parser(arguments);
  describe(parser.program(), global);
  Commands commands = list_commands(parser, arguments);
  Parser::Answer answer = parser.parse();
  if (answer.version) return {global, version_command()};
  if (answer.help) return {global, help_on(answer.command)};

  auto found = commands.find(answer.command);
  Descriptors descriptors;
  if (found != commands.end()) descriptors = found->second.descriptors();
  Error wrong;
  if (found == commands.end() || !answer.error.empty())
    wrong = usage_error(answer);
  else if (global.root.empty() && !root.ok() && answer.command != "help")
    wrong = root.error();
  else
    return {global, std::move(found->second), descriptors, errors_of(answer, found->second)};
  if (found != commands.end()) wrong.exit_status = found->second.failure_status;
  return {global, wrong, descriptors};
}

}  // namespace minirun
