// The command table as plain values, for manual pages and completions. The only file here that knows CLI11 is its .cc.
#pragma once

#include <string>
#include <vector>

namespace minirun::packaging {

struct Option {
  std::vector<std::string> spellings;  // with their hyphens, short ones first
  std::string text;
  bool takes_value = false;
  std::vector<std::string> choices;  // that the value must be one of; empty: any
};

struct Command {
  std::string name;
  std::string text;
  std::vector<Option> options;
  bool takes_id = false;
  bool takes_bundle = false;
};

struct Program {
  std::vector<Option> options;
  std::vector<Command> commands;
};

Program read_command_table();

// What a value is, by the spelling of its option: "file", "directory" or "" for neither.
std::string value_kind(const Option& option);

// One page. command: nullptr for that of the program.
std::string manual_page(const Program& program, const Command* command, const std::string& version);

std::string bash_completion(const Program& program);
std::string zsh_completion(const Program& program);
std::string fish_completion(const Program& program);

}  // namespace minirun::packaging
