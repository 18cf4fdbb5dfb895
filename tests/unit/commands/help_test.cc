// SPDX-License-Identifier: Apache-2.0
// The help of each command, and what it promises, walked by the table of commands.
#include "runtime/commands/help.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/commands/command_line.h"
#include "runtime/commands/command_table.h"

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

// What a command line that only prints prints: it fails behind that where a program such as criu is missing.
std::string printed(const Words& words) {
  auto invocation = parse(words);
  if (!invocation.command.ok()) return invocation.command.error().text();
  testing::internal::CaptureStdout();
  auto outcome = invocation.command->perform(invocation.global);
  std::string text = testing::internal::GetCapturedStdout();
  return outcome.ok() ? text + outcome->out : text;
}

// "": a command line that is right.
std::string error_of(const Words& words) {
  auto invocation = parse(words);
  if (invocation.command.ok()) return "";
  const Error& error = invocation.command.error();
  EXPECT_EQ(error.kind, ErrorKind::usage) << error.text();
  EXPECT_EQ(error.exit_status, words.size() > 1 && words[1] == "exec" ? 255 : 1) << error.text();
  return error.text();
}

bool is_lower_case(std::string_view text) {
  return !text.empty() && (text[0] < 'A' || text[0] > 'Z' || (text.size() > 1 && text[1] >= 'A' && text[1] <= 'Z'));
}

void expect_part(const std::string& help, const std::string& part) {
  EXPECT_NE(help.find(part), std::string::npos) << part << " is missing in:\n" << help;
}

TEST(Help, OfEachCommandHasAllItsParts) {
  for (const CommandEntry& command : read_command_table().commands) {
    const Manual& manual = command.manual;
    std::string help = command_help(command.name);
    std::string usage = "Usage: minirun " + command.name + " [OPTIONS]";
    if (!manual.arguments.empty()) usage += " " + std::string(manual.arguments);
    EXPECT_TRUE(help.starts_with(usage + "\n\n")) << help;
    for (const OptionEntry& option : command.options)
      for (const std::string& spelling : option.spellings) expect_part(help, spelling);
    for (const char* part : {"\nOptions:\n", "  -h, --help                print this help\n", "\nExamples:\n  minirun ",
                             "\nExit status:\n  "})
      expect_part(help, part);
    for (const Example& example : manual.examples) expect_part(help, "  " + std::string(example.line) + "\n      ");
    EXPECT_GE(manual.exit_statuses.size(), 2U) << command.name;
    for (const std::string& line : split(help, '\n')) EXPECT_LE(line.size(), 80U) << line;
  }
}

TEST(Help, OfTheProgramNamesEachCommand) {
  std::string help = program_help();
  EXPECT_TRUE(help.starts_with("Usage: minirun [OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]\n\n")) << help;
  for (const CommandEntry& command : read_command_table().commands)
    expect_part(help, "\n  " + command.name + std::string(12 - command.name.size(), ' ') +
                          std::string(command.manual.summary) + "\n");
  for (const OptionEntry& option : read_command_table().options) expect_part(help, option.spellings.back());
  for (const std::string& line : split(help, '\n')) EXPECT_LE(line.size(), 80U) << line;
}

TEST(Help, OptionsAreInLowerCase) {
  CommandTable table = read_command_table();
  table.commands.push_back({"", {.summary = "print"}, table.options});
  for (const CommandEntry& command : table.commands) {
    EXPECT_TRUE(is_lower_case(command.manual.summary)) << command.name;
    for (const OptionEntry& option : command.options) {
      EXPECT_TRUE(is_lower_case(option.text)) << command.name << ": " << option.text;
      EXPECT_FALSE(option.text.ends_with('.')) << command.name << ": " << option.text;
    }
  }
}

TEST(Help, ExamplesAreCommandLines) {
  for (const CommandEntry& command : read_command_table().commands) {
    for (const Example& example : command.manual.examples) {
      EXPECT_EQ(split(example.line, ' ')[0], "minirun") << example.line;
      EXPECT_EQ(error_of(split(example.line, ' ')), "") << example.line;
      EXPECT_NE((" " + std::string(example.line) + " ").find(" " + command.name + " "), std::string::npos)
          << example.line;
    }
  }
}

// What the synopsis has without brackets is wanted, and no more.
TEST(Help, SynopsisIsWhatTheCommandTakes) {
  for (const CommandEntry& command : read_command_table().commands) {
    Words wanted = {"minirun", command.name};
    std::ptrdiff_t open = 0;  // brackets
    for (const std::string& argument : split(command.manual.arguments, ' ')) {
      open += std::count(argument.begin(), argument.end(), '[');
      if (open == 0) wanted.push_back(argument);
      open -= std::count(argument.begin(), argument.end(), ']');
    }
    EXPECT_EQ(error_of(wanted), "") << command.name;
    if (wanted.size() == 2) continue;
    std::string error = error_of({"minirun", command.name});
    EXPECT_TRUE(error.starts_with("ID is required (minirun help " + command.name + ")")) << error;
  }
}

TEST(Help, IsTheSameByAllItsNames) {
  for (const CommandEntry& command : read_command_table().commands) {
    std::string help = command_help(command.name);
    for (const Words& words : std::vector<Words>{{"minirun", "help", command.name},
                                                 {"minirun", "--debug", "help", command.name},
                                                 {"minirun", command.name, "--help"},
                                                 {"minirun", command.name, "-h"}})
      EXPECT_EQ(printed(words), help) << command.name;
  }
  for (const Words& words : std::vector<Words>{
           {"minirun", "help"}, {"minirun", "--help"}, {"minirun", "-h"}, {"minirun", "--root", "x", "help"}})
    EXPECT_EQ(printed(words), program_help());
  for (const char* flag : {"-v", "-V", "--version"}) EXPECT_EQ(printed({"minirun", flag}), version_text()) << flag;
}

TEST(Help, OfNoSuchCommandIsAnError) {
  auto invocation = parse({"minirun", "help", "strat"});
  ASSERT_TRUE(invocation.command.ok());
  auto outcome = invocation.command->perform(invocation.global);
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().kind, ErrorKind::usage);
  EXPECT_EQ(outcome.error().exit_status, 1);
  EXPECT_TRUE(outcome.error().text().starts_with("unknown command \"strat\": one of run, create, "));
  EXPECT_NE(error_of({"minirun", "help", "run", "start"}), "");
}

TEST(Help, WrongUseNamesTheHelpOfItsCommand) {
  EXPECT_TRUE(error_of({"minirun", "kill", "--no-such", "x"}).ends_with("(minirun help kill)"));
  EXPECT_TRUE(error_of({"minirun", "--no-such"}).ends_with("--no-such (minirun --help)"));
  EXPECT_TRUE(error_of({"minirun", "--debug"}).starts_with("no command given: one of run, create, "));
  EXPECT_TRUE(error_of({"minirun", "--debug", "strat"}).starts_with("unknown command \"strat\": one of run, create, "));
}

}  // namespace
}  // namespace minirun
