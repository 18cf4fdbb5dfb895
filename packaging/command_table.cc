#include "packaging/command_table.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "runtime/commands/option_groups.h"

namespace minirun::packaging {
namespace {

// CLI11 has them in the name of the type only: "TEXT:{table,json}".
std::vector<std::string> choices_of(const CLI::Option& option) {
  std::string type = option.get_type_name();
  size_t open = type.find('{'), close = type.rfind('}');
  if (open == std::string::npos || close == std::string::npos) return {};
  return CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
}

Option read_option(const CLI::Option& option) {
  Option read;
  for (const std::string& name : option.get_snames()) read.spellings.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) read.spellings.push_back("--" + name);
  read.text = option.get_description();
  read.takes_value = option.get_expected_min() > 0;
  if (read.takes_value) read.choices = choices_of(option);
  return read;
}

std::vector<Option> read_options(const CLI::App& app) {
  std::vector<Option> all;
  for (const CLI::Option* option : app.get_options())
    if (option->nonpositional()) all.push_back(read_option(*option));
  return all;
}

bool has_positional(const CLI::App& app, const std::string& name) {
  auto options = app.get_options();
  return std::any_of(options.begin(), options.end(), [&](const CLI::Option* option) {
    return option->get_positional() && option->get_name(true).find(name) != std::string::npos;
  });
}

}  // namespace

Program read_command_table() {
  CLI::App app("", "minirun");
  GlobalOptions global;
  CommandOptions options;
  app.set_version_flag("-v,--version", "", "print the version");
  describe_globals(&app, &global);
  Program program{read_options(app), {}};
  for (const CommandDescription& description : command_descriptions()) {
    CLI::App* described = app.add_subcommand(description.name, description.text);
    description.describe(described, &options);
    Command command{description.name, description.text, read_options(*described), false, false};
    // exec and ps read their words themselves; a create's id is a new one.
    command.takes_id = command.name != "create" && command.name != "restore" &&
                       (has_positional(*described, "ID") || described->get_prefix_command());
    command.takes_bundle = command.name == "run" || has_positional(*described, "BUNDLE");
    program.commands.push_back(std::move(command));
  }
  return program;
}

std::string value_kind(const Option& option) {
  const std::string& name = option.spellings.back();
  if (name == "--root" || name == "--bundle" || name.ends_with("-path")) return "directory";
  if (name == "--log" || name.ends_with("-file") || name.ends_with("-socket") || name == "--process" ||
      name == "--resources")
    return "file";
  return "";
}

}  // namespace minirun::packaging
