// SPDX-License-Identifier: Apache-2.0
// Completions: commands, options, their values, ids of containers, bundles.
#include <fmt/format.h>

#include "packaging/pages.h"

namespace minirun::packaging {
namespace {

std::string join(const std::vector<std::string>& words, std::string_view between = " ") {
  return fmt::format("{}", fmt::join(words, between));
}

// What the value is, by its name: "file", "directory" or "" for neither.
std::string value_kind(const OptionEntry& option) {
  if (option.value == "DIR") return "directory";
  return option.value == "FILE" || option.value == "SOCKET" ? "file" : "";
}

std::string spellings(const std::vector<OptionEntry>& options) {
  std::string all;
  for (const OptionEntry& option : options) fmt::format_to(std::back_inserter(all), "{} ", join(option.spellings));
  if (!all.empty()) all.pop_back();
  return all;
}

std::string escaped(std::string_view text, std::string_view special) {
  std::string escaped;
  for (char c : text) {
    if (special.find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

// In single quotes, for each of the shells. text: without a control character.
std::string quoted(std::string_view text) {
  std::string quoted = "'";
  for (char c : text) {
    if (c == '\'')
      quoted += "'\\''";
    else
      quoted += c;
  }
  return quoted + "'";
}

std::string bash_values(const std::string& command, const std::vector<OptionEntry>& options) {
  std::string cases;
  for (const OptionEntry& option : options) {
    if (option.value.empty() || option.value_may_lack) continue;
    std::string words = value_kind(option) == "directory" ? "-d"
                        : value_kind(option) == "file"    ? "-f"
                                                          : fmt::format("-W '{}'", join(option.choices));
    std::vector<std::string> patterns;
    for (const std::string& spelling : option.spellings) patterns.push_back(fmt::format("{}:{}", command, spelling));
    fmt::format_to(std::back_inserter(cases), "    {}) words=({}) ;;\n", join(patterns, " | "), words);
  }
  return cases;
}

std::string zsh_option(const OptionEntry& option) {
  constexpr std::string_view kSpecial = "[]:\\";
  std::string value;
  if (!option.value.empty() && value_kind(option) == "directory")
    value = ":directory:_files -/";
  else if (!option.value.empty() && value_kind(option) == "file")
    value = ":file:_files";
  else if (!option.value.empty())
    value = fmt::format("{}:value:({})", option.value_may_lack ? ":" : "", join(option.choices));
  std::string lines;
  std::string text = escaped(option.text, kSpecial);
  for (const std::string& spelling : option.spellings)
    fmt::format_to(std::back_inserter(lines), " \\\n        {}",
                   quoted(fmt::format("{}[{}]{}", spelling, text, value)));
  return lines;
}

std::string fish_option(const std::string& condition, const OptionEntry& option) {
  std::string line = "complete -c minirun -n " + quoted(condition);
  for (const std::string& spelling : option.spellings)
    line += spelling.starts_with("--") ? " -l " + spelling.substr(2) : " -s " + spelling.substr(1);
  if (!option.value.empty() && !option.value_may_lack) line += value_kind(option).empty() ? " -x" : " -r -F";
  if (!option.choices.empty()) line += " -a " + quoted(join(option.choices));
  return line + " -d " + quoted(option.text) + "\n";
}

}  // namespace

std::string bash_completion(const CommandTable& program) {
  std::string values = bash_values("", program.options), names, options, ids, bundles;
  for (const OptionEntry& option : program.options)
    if (!option.value.empty())
      fmt::format_to(std::back_inserter(names), "{}{}", names.empty() ? "" : " | ", join(option.spellings, " | "));
  std::vector<std::string> commands;
  for (const CommandEntry& command : program.commands) {
    commands.push_back(command.name);
    values += bash_values(command.name, command.options);
    fmt::format_to(std::back_inserter(options), "      {}) words=(-W '{}') ;;\n", command.name,
                   spellings(command.options));
    if (command.takes_bundle) bundles += (bundles.empty() ? "" : " | ") + command.name;
    if (command.takes_id && !command.takes_bundle) ids += (ids.empty() ? "" : " | ") + command.name;
  }
  return fmt::format(R"bash(# bash completion for minirun
_minirun() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} command= root=() words=() i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{COMP_WORDS[i]}} in
      --root) root=(--root "${{COMP_WORDS[i+1]}}") ;;&
      {}) ((i++)) ;;
      -*) ;;
      *) command=${{COMP_WORDS[i]}}; break ;;
    esac
  done
  case $command:$prev in
{}  esac
  if [ ${{#words[@]}} = 0 ] && [[ $cur == -* ]]; then
    case $command in
      '') words=(-W '{}') ;;
{}    esac
  elif [ ${{#words[@]}} = 0 ]; then
    case $command in
      '') words=(-W '{}') ;;
      {}) words=(-d) ;;
      {}) words=(-W "$(minirun "${{root[@]}}" list -q 2>/dev/null)") ;;
    esac
  fi
  [ ${{#words[@]}} = 0 ] || mapfile -t COMPREPLY < <(compgen "${{words[@]}}" -- "$cur")
}}
complete -F _minirun minirun
)bash",
                     names, values, spellings(program.options), options, join(commands), bundles, ids);
}

std::string zsh_completion(const CommandTable& program) {
  std::string globals, descriptions, cases;
  for (const OptionEntry& option : program.options) globals += zsh_option(option);
  for (const CommandEntry& command : program.commands) {
    fmt::format_to(std::back_inserter(descriptions), "        {}\n",
                   quoted(fmt::format("{}:{}", command.name, command.manual.summary)));
    std::string arguments;
    for (const OptionEntry& option : command.options) arguments += zsh_option(option);
    if (command.takes_bundle) arguments += " \\\n        '1:bundle:_files -/'";
    const char* which = command.manual.arguments.starts_with("[ID...]") ? "*" : "1";
    if (command.takes_id && !command.takes_bundle)
      arguments += fmt::format(" \\\n        '{}:container:_minirun_ids'", which);
    fmt::format_to(std::back_inserter(cases), "      {})\n        _arguments -s{} ;;\n", command.name, arguments);
  }
  return fmt::format(R"zsh(#compdef minirun
_minirun_ids() {{
  local -a ids
  ids=(${{(f)"$(minirun list -q 2>/dev/null)"}})
  compadd -a ids
}}
_minirun() {{
  local context state line curcontext=$curcontext
  local -a commands
  _arguments -C{} \
        '1:command:->command' '*::argument:->argument'
  case $state in
    command)
      commands=(
{}      )
      _describe command commands ;;
    argument)
      case $words[1] in
{}      esac ;;
  esac
}}
_minirun "$@"
)zsh",
                     globals, descriptions, cases);
}

std::string fish_completion(const CommandTable& program) {
  std::string text = "# fish completion for minirun\ncomplete -c minirun -f\n";
  for (const OptionEntry& option : program.options) text += fish_option("__fish_use_subcommand", option);
  for (const CommandEntry& command : program.commands) {
    fmt::format_to(std::back_inserter(text), "complete -c minirun -n '__fish_use_subcommand' -a {} -d {}\n",
                   command.name, quoted(command.manual.summary));
    std::string condition = "__fish_seen_subcommand_from " + command.name;
    for (const OptionEntry& option : command.options) text += fish_option(condition, option);
    std::string_view arguments = command.takes_bundle ? "(__fish_complete_directories)"
                                 : command.takes_id   ? "(minirun list -q 2>/dev/null)"
                                                      : "";
    if (!arguments.empty())
      fmt::format_to(std::back_inserter(text), "complete -c minirun -n '{}' -a '{}'\n", condition, arguments);
  }
  return text;
}

}  // namespace minirun::packaging
