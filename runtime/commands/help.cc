// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/help.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/commands/command_table.h"
#include "runtime/seccomp/filter.h"
#include "runtime/text/output.h"
#include "runtime/text/version.h"

namespace minirun {
namespace {

constexpr size_t kWidth = 80;   // of the narrowest usual terminals
constexpr size_t kColumn = 28;  // where the text of an option begins

// The words of text, wrapped; the first line continues one of `used` columns, the others begin at `indent`.
std::string wrapped(std::string_view text, size_t indent, size_t used) {
  std::string out;
  while (!text.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (used > indent && used + 1 + word.size() > kWidth) {
      out += "\n" + std::string(indent, ' ');
      used = indent;
    } else if (used > indent) {
      out += ' ';
      ++used;
    }
    out += word;
    used += word.size();
  }
  return out + "\n";
}

// "  name    text", with the text in its column, or on the next line after a long name.
std::string entry(std::string_view name, std::string_view text, size_t column) {
  std::string line = "  " + std::string(name);
  line += line.size() + 2 > column ? "\n" + std::string(column, ' ') : std::string(column - line.size(), ' ');
  return line + wrapped(text, column, column);
}

std::string option_name(const OptionEntry& option) {
  bool has_short = option.spellings[0].size() == 2;
  std::string name = has_short ? "" : "    ";
  name += fmt::format("{}", fmt::join(option.spellings, ", "));
  if (option.value_may_lack) return fmt::format("{}[={}]", name, option.value);
  return option.value.empty() ? name : name + " " + option.value;
}

std::string options_text(const std::vector<OptionEntry>& options) {
  std::string out;
  for (const std::string& group : groups_of(options)) {
    out += "\n" + group + ":\n";
    for (const OptionEntry& option : options)
      if (option.group == group) out += entry(option_name(option), option.text, kColumn);
  }
  return out;
}

std::string paragraphs(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t end = text.find("\n\n");
    out += "\n" + wrapped(text.substr(0, end), 0, 0);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 2);
  }
  return out;
}

std::string examples_and_statuses(const Manual& manual) {
  std::string out = "\nExamples:\n";
  for (const Example& example : manual.examples)
    out += fmt::format("  {}\n      {}", example.line, wrapped(example.text, 6, 6));
  out += "\nExit status:\n";
  for (const ExitStatus& status : manual.exit_statuses) out += entry(status.status, status.text, 12);
  return out;
}

struct HelpCommand {
  std::string topic;  // a command, or "": minirun itself
  bool version = false;
};

void describe(Options& options, HelpCommand& help) {
  options.word("COMMAND", help.topic);
}

Result<Outcome> perform(const GlobalOptions&, const HelpCommand& help) {
  if (help.version) return Outcome{0, version_text()};
  if (help.topic.empty()) return Outcome{0, program_help()};
  const CommandRow* row = find_command(help.topic);
  if (row == nullptr) return unknown_command(help.topic);
  std::string text = command_help(help.topic);
  auto needs = row->make().needs;
  auto found = needs != nullptr ? needs() : Result<std::string>("");
  if (found.ok()) return Outcome{0, text};
  TRY(write_output(text));
  return wrap(found.error(), help.topic);
}

Command help_with(HelpCommand options) {
  return Command::of<HelpCommand, describe, perform>(
      {
          .summary = "print the help of a command",
          .arguments = "[COMMAND]",
          .description = "Prints the help of COMMAND, or that of minirun itself.",
          .examples = {{{"minirun help", "the commands"}, {"minirun help run", "how to run a container"}}},
      },
      std::move(options));
}

}  // namespace

std::string command_help(std::string_view command) {
  const CommandRow* row = find_command(command);
  if (row == nullptr) return "";
  CommandEntry read = read_command(*row);
  std::string usage = fmt::format("Usage: minirun {} [OPTIONS] {}", command, read.manual.arguments);
  return usage.substr(0, usage.find_last_not_of(' ') + 1) + "\n" + paragraphs(read.manual.description) +
         options_text(read.options) + examples_and_statuses(read.manual);
}

std::string program_help() {
  CommandTable table = read_command_table();
  auto root = default_root();
  for (OptionEntry& option : table.options)
    if (root.ok() && option.spellings[0] == "--root") option.text += fmt::format(" (default: {})", *root);
  std::string out = fmt::format("Usage: minirun [OPTIONS] {}\n", table.manual.arguments);
  out += paragraphs(table.manual.description) + "\nCommands:\n";
  for (const CommandEntry& command : table.commands) out += entry(command.name, command.manual.summary, 14);
  return out + options_text(table.options) + examples_and_statuses(table.manual);
}

std::string version_text() {
  // dockerd takes every line with the word "version" for the version; it and go-runc match the beginnings of the other
  // lines.
  return fmt::format("minirun version {}\ncommit: {}\nspec: 1.3.0\nlibseccomp: {}\n", minirun_version(),
                     minirun_commit(), libseccomp_version());
}

Command help_on(std::string_view command) {
  return help_with({.topic = std::string(command)});
}

Command version_command() {
  return help_with({.topic = "", .version = true});
}

Command help_command() {
  return help_with({});
}

}  // namespace minirun
