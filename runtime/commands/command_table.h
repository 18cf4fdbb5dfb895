// SPDX-License-Identifier: Apache-2.0
// The table of commands. The command line, help, manual pages, completions and `features` come from it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/commands/command.h"
#include "runtime/commands/options.h"
#include "sys/result.h"

namespace minirun {

struct CommandRow {
  std::string_view name;
  Command (*make)();
};

// In the order that the help prints.
std::span<const CommandRow> command_rows();

const CommandRow* find_command(std::string_view name);  // nullptr: no such command

std::string command_names();  // "run, create, ..."
Error unknown_command(std::string_view name);

// A command for printing.
struct CommandEntry {
  std::string name;
  Manual manual{};
  std::vector<OptionEntry> options{};
  bool takes_id = false;  // the id of an existing container
  bool takes_bundle = false;
};

CommandEntry read_command(const CommandRow& row);

struct CommandTable {
  Manual manual;                     // of minirun itself
  std::vector<OptionEntry> options;  // before the command
  std::vector<CommandEntry> commands;
};

CommandTable read_command_table();

// The titles of the groups of options, in their order.
std::vector<std::string> groups_of(const std::vector<OptionEntry>& options);

}  // namespace minirun
