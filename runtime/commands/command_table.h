// SPDX-License-Identifier: Apache-2.0
// The commands and their options as plain values, read from what CLI11 parses by: --help, the manual pages and the
// completions are made from them, and tests walk them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace minirun {

struct OptionEntry {
  std::vector<std::string> spellings;  // with their hyphens, short ones first
  std::string value;                   // the name of what it takes, as FILE; "" for a flag
  std::string text;
  std::string group;
  std::vector<std::string> choices;  // that the value must be one of; empty: any
};

struct CommandEntry {
  std::string name;
  std::string text;
  std::vector<OptionEntry> options;
  bool takes_id = false;
  bool takes_bundle = false;
};

struct CommandTable {
  std::vector<OptionEntry> options;  // before the command
  std::vector<CommandEntry> commands;
};

CommandTable read_command_table();

// The titles of the groups of options, in their order.
std::vector<std::string> groups_of(const std::vector<OptionEntry>& options);

// As a synopsis has it, without hyphens: "FILE", "json|table", "".
std::string value_text(const OptionEntry& option);

}  // namespace minirun
