// SPDX-License-Identifier: Apache-2.0
// The help of each command, and what it promises, walked by the table of commands.
#include "runtime/commands/help.h"

#include <gtest/gtest.h>

#include "runtime/commands/command_table.h"
#include "runtime/commands/command_text.h"
#include "runtime/commands/options.h"

namespace minirun {
namespace {

using Words = std::vector<std::string>;

Words split(std::string_view text, char at) {
  Words words;
  std::istringstream stream{std::string(text)};
  for (std::string word; std::getline(stream, word, at);) words.push_back(word);
  return words;
}

Invocation parse(Words words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return parse_command_line(static_cast<int>(words.size()), pointers.data());
}

PrintAndExit print_of(const Words& words) {
  auto invocation = parse(words);
  const auto* print = std::get_if<PrintAndExit>(&invocation.command);
  return print != nullptr ? *print : PrintAndExit{"", "is a command", -1};
}

bool is_lower_case(std::string_view text) {
  return !text.empty() && (text[0] < 'A' || text[0] > 'Z' || (text.size() > 1 && text[1] >= 'A' && text[1] <= 'Z'));
}

void expect_part(const std::string& help, const std::string& part) {
  EXPECT_NE(help.find(part), std::string::npos) << part << " is missing in:\n" << help;
}

TEST(Help, OfEachCommandHasAllItsParts) {
  for (const CommandEntry& command : read_command_table().commands) {
    const CommandText* text = text_of(command.name);
    ASSERT_NE(text, nullptr) << command.name;
    std::string help = command_help(command.name);
    std::string usage = "Usage: minirun " + command.name + " [OPTIONS]";
    if (!text->arguments.empty()) usage += " " + std::string(text->arguments);
    EXPECT_TRUE(help.starts_with(usage + "\n\n")) << help;
    for (const OptionEntry& option : command.options)
      for (const std::string& spelling : option.spellings) expect_part(help, spelling);
    for (const char* part : {"\nOptions:\n", "  -h, --help                print this help\n", "\nExamples:\n  minirun ",
                             "\nExit status:\n  "})
      expect_part(help, part);
    for (const Example& example : text->examples) expect_part(help, "  " + std::string(example.line) + "\n      ");
    EXPECT_GE(text->exit_statuses.size(), 2U) << command.name;
    for (const std::string& line : split(help, '\n')) EXPECT_LE(line.size(), 80U) << line;
  }
}

TEST(Help, OfTheProgramNamesEachCommand) {
  std::string help = program_help();
  EXPECT_TRUE(help.starts_with("Usage: minirun [OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]\n\n")) << help;
  for (const CommandEntry& command : read_command_table().commands)
    expect_part(help, "\n  " + command.name + std::string(12 - command.name.size(), ' ') + command.text + "\n");
  for (const OptionEntry& option : read_command_table().options) expect_part(help, option.spellings.back());
  for (const std::string& line : split(help, '\n')) EXPECT_LE(line.size(), 80U) << line;
}

TEST(Help, OptionsNameTheirValuesAndAreInLowerCase) {
  CommandTable table = read_command_table();
  table.commands.push_back({"", "print", table.options, false, false});
  for (const CommandEntry& command : table.commands) {
    EXPECT_TRUE(is_lower_case(command.text)) << command.text;
    for (const OptionEntry& option : command.options) {
      EXPECT_TRUE(is_lower_case(option.text)) << command.name << ": " << option.text;
      EXPECT_FALSE(option.text.ends_with('.')) << command.name << ": " << option.text;
      for (const char* type : {"TEXT", "INT", "UINT", "FLOAT"})  // CLI11's own words
        EXPECT_NE(value_text(option), type) << command.name << " " << option.spellings[0];
    }
  }
}

TEST(Help, ExamplesAreCommandLines) {
  for (const CommandEntry& command : read_command_table().commands) {
    for (const Example& example : text_of(command.name)->examples) {
      EXPECT_EQ(split(example.line, ' ')[0], "minirun") << example.line;
      Invocation invocation = parse(split(example.line, ' '));
      const auto* print = std::get_if<PrintAndExit>(&invocation.command);
      EXPECT_EQ(print != nullptr, command.name == "help") << example.line << ": " << (print ? print->error : "");
      EXPECT_EQ(print != nullptr ? print->status : 0, 0)
          << example.line << ": " << (print != nullptr ? print->error : "");
      EXPECT_NE((" " + std::string(example.line) + " ").find(" " + command.name + " "), std::string::npos)
          << example.line;
    }
  }
}

// What the synopsis has without brackets is wanted, and no more.
TEST(Help, SynopsisIsWhatTheCommandTakes) {
  for (const CommandEntry& command : read_command_table().commands) {
    Words wanted = {"minirun", command.name};
    for (const std::string& argument : split(text_of(command.name)->arguments, ' '))
      if (argument[0] != '[') wanted.push_back(argument);
    if (command.name == "help") continue;  // never a command of its own
    EXPECT_EQ(print_of(wanted).error, "is a command") << command.name;
    if (wanted.size() == 2) continue;
    PrintAndExit print = print_of({"minirun", command.name});
    EXPECT_NE(print.status, 0) << command.name;
    EXPECT_TRUE(print.error.starts_with("ID is required (minirun help " + command.name + ")")) << print.error;
  }
}

TEST(Help, IsTheSameByAllItsNames) {
  for (const CommandEntry& command : read_command_table().commands) {
    std::string help = command_help(command.name);
    for (const Words& words : std::vector<Words>{{"minirun", "help", command.name},
                                                 {"minirun", "--debug", "help", command.name},
                                                 {"minirun", command.name, "--help"},
                                                 {"minirun", command.name, "-h"}})
      EXPECT_EQ(print_of(words).out, help) << command.name;
  }
  for (const Words& words : std::vector<Words>{
           {"minirun", "help"}, {"minirun", "--help"}, {"minirun", "-h"}, {"minirun", "--root", "x", "help"}})
    EXPECT_EQ(print_of(words).out, program_help());
  for (const char* flag : {"-v", "-V", "--version"}) EXPECT_EQ(print_of({"minirun", flag}).out, version_text()) << flag;
}

TEST(Help, OfNoSuchCommandIsAnError) {
  PrintAndExit print = print_of({"minirun", "help", "strat"});
  EXPECT_EQ(print.status, 1);
  EXPECT_TRUE(print.error.starts_with("unknown command \"strat\": one of run, create, ")) << print.error;
  EXPECT_NE(print_of({"minirun", "help", "run", "start"}).status, 0);
}

TEST(Help, WrongUseNamesTheHelpOfItsCommand) {
  EXPECT_TRUE(print_of({"minirun", "kill", "--no-such", "x"}).error.ends_with("(minirun help kill)"));
  EXPECT_TRUE(print_of({"minirun", "--no-such"}).error.ends_with("(minirun --help)"));
}

}  // namespace
}  // namespace minirun
