// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/command_table.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "runtime/commands/option_groups.h"

namespace minirun {
namespace {

// CLI11 has them in the name of the type only: "TEXT:{table,json}".
std::vector<std::string> choices_of(const CLI::Option& option) {
  std::string type = option.get_type_name();
  size_t open = type.find('{'), close = type.rfind('}');
  if (open == std::string::npos || close == std::string::npos) return {};
  return CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
}

OptionEntry read_option(const CLI::Option& option) {
  OptionEntry read;
  for (const std::string& name : option.get_snames()) read.spellings.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) read.spellings.push_back("--" + name);
  read.text = option.get_description();
  read.group = option.get_group();
  if (option.get_expected_min() == 0) return read;
  read.value = option.get_type_name();
  read.choices = choices_of(option);
  return read;
}

// --help comes last: a reader of the help has found it.
std::vector<OptionEntry> read_options(const CLI::App& app) {
  std::vector<OptionEntry> all;
  for (const CLI::Option* option : app.get_options())
    if (option->nonpositional() && option != app.get_help_ptr()) all.push_back(read_option(*option));
  all.push_back(read_option(*app.get_help_ptr()));
  return all;
}

bool has_positional(const CLI::App& app, const std::string& name) {
  auto options = app.get_options();
  return std::any_of(options.begin(), options.end(), [&](const CLI::Option* option) {
    return option->get_positional() && option->get_name(true).find(name) != std::string::npos;
  });
}

}  // namespace

CommandTable read_command_table() {
  CLI::App app("", "minirun");
  GlobalOptions global;
  CommandOptions options;
  describe_globals(&app, &global);
  CommandTable table{read_options(app), {}};
  for (const CommandDescription& description : command_descriptions()) {
    CLI::App* described = app.add_subcommand(description.name, description.text);
    description.describe(described, &options);
    CommandEntry command{description.name, description.text, read_options(*described), false, false};
    // exec and ps read their words themselves; a create's id is a new one.
    command.takes_id = command.name != "create" && command.name != "restore" &&
                       (has_positional(*described, "ID") || described->get_prefix_command());
    command.takes_bundle = command.name == "run" || has_positional(*described, "BUNDLE");
    table.commands.push_back(std::move(command));
  }
  return table;
}

std::vector<std::string> groups_of(const std::vector<OptionEntry>& options) {
  std::vector<std::string> groups;
  for (const OptionEntry& option : options)
    if (std::find(groups.begin(), groups.end(), option.group) == groups.end()) groups.push_back(option.group);
  return groups;
}

std::string value_text(const OptionEntry& option) {
  if (option.choices.empty()) return option.value;
  return CLI::detail::join(option.choices, "|");
}

}  // namespace minirun
