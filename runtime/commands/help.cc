// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/help.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/commands/command_table.h"
#include "runtime/commands/command_text.h"
#include "runtime/commands/options.h"
#include "runtime/seccomp/filter.h"
#include "runtime/text/version.h"

namespace minirun {
namespace {

constexpr size_t kWidth = 80;   // of the terminals that show least
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

// "  name    text", with the text in its column, on a line of its own below a long name.
std::string entry(std::string_view name, std::string_view text, size_t column) {
  std::string line = "  " + std::string(name);
  line += line.size() + 2 > column ? "\n" + std::string(column, ' ') : std::string(column - line.size(), ' ');
  return line + wrapped(text, column, column);
}

std::string option_name(const OptionEntry& option) {
  bool has_short = option.spellings[0].size() == 2;
  std::string name = has_short ? "" : "    ";
  name += fmt::format("{}", fmt::join(option.spellings, ", "));
  return option.value.empty() ? name : name + " " + value_text(option);
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

std::string examples_and_statuses(const CommandText& text) {
  std::string out = "\nExamples:\n";
  for (const Example& example : text.examples)
    out += fmt::format("  {}\n      {}", example.line, wrapped(example.text, 6, 6));
  out += "\nExit status:\n";
  for (const ExitStatus& status : text.exit_statuses) out += entry(status.status, status.text, 12);
  return out;
}

}  // namespace

std::string command_help(std::string_view command) {
  const CommandText* text = text_of(command);
  std::string out;
  for (const CommandEntry& known : read_command_table().commands) {
    if (text == nullptr || known.name != command) continue;
    std::string usage = fmt::format("Usage: minirun {} [OPTIONS] {}", command, text->arguments);
    out = usage.substr(0, usage.find_last_not_of(' ') + 1) + "\n";
    out += paragraphs(text->description) + options_text(known.options) + examples_and_statuses(*text);
  }
  return out;
}

std::string program_help() {
  CommandTable table = read_command_table();
  auto root = default_root();
  for (OptionEntry& option : table.options)
    if (root.ok() && option.spellings[0] == "--root") option.text += fmt::format(" (default: {})", *root);
  const CommandText& text = program_text();
  std::string out = fmt::format("Usage: minirun [OPTIONS] {}\n", text.arguments) + paragraphs(text.description);
  out += "\nCommands:\n";
  for (const CommandEntry& command : table.commands) out += entry(command.name, command.text, 14);
  return out + options_text(table.options) + examples_and_statuses(text);
}

std::string version_text() {
  // dockerd takes every line with the word "version" for the version; go-runc and it look for the beginnings of the
  // rest.
  return fmt::format("minirun version {}\ncommit: {}\nspec: 1.3.0\nlibseccomp: {}\n", minirun_version(),
                     minirun_commit(), libseccomp_version());
}

}  // namespace minirun
