// SPDX-License-Identifier: Apache-2.0
#include "packaging/unpack_pages.h"

#include <fmt/format.h>

#include "packaging/pages.h"
#include "unpack/options.h"

namespace minirun::packaging {
namespace {

// The image and the bundle's place are paths; nothing is known of the values of options.
std::string unpack_bash(const std::vector<OptionEntry>& options) {
  std::string all, with_value;
  for (const OptionEntry& option : options) {
    all += (all.empty() ? "" : " ") + option.spellings[0];
    if (!option.value.empty()) with_value += (with_value.empty() ? "" : " | ") + option.spellings[0];
  }
  return fmt::format(R"bash(# bash completion for minirun-unpack
_minirun_unpack() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} words=(-f)
  case $prev in
    {}) return ;;
  esac
  [[ $cur != -* ]] || words=(-W '{}')
  mapfile -t COMPREPLY < <(compgen "${{words[@]}}" -- "$cur")
}}
complete -o filenames -F _minirun_unpack minirun-unpack
)bash",
                     with_value, all);
}

std::string behind_backslashes(std::string_view text, std::string_view special) {
  std::string safe;
  for (char c : text) {
    if (special.find(c) != special.npos) safe += '\\';
    safe += c;
  }
  return safe;
}

// In zsh's single quotes, which hold a single quote in no way: it stands between two quoted parts.
std::string unpack_zsh(const std::vector<OptionEntry>& options) {
  std::string rows;
  for (const OptionEntry& option : options) {
    std::string row = option.spellings[0] + (option.value.empty() ? "" : "=");
    row += "[" + behind_backslashes(option.text, "[]:\\") + "]" + (option.value.empty() ? "" : ":value:");
    rows += "  '";
    for (char c : row) rows += c == '\'' ? std::string("'\\''") : std::string(1, c);
    rows += "' \\\n";
  }
  return "#compdef minirun-unpack\n_arguments \\\n" + rows + "  '1:image:_files' '2:bundle:_files -/'\n";
}

std::string unpack_fish(const std::vector<OptionEntry>& options) {
  std::string text = "# fish completion for minirun-unpack\n";
  for (const OptionEntry& option : options)
    text += fmt::format("complete -c minirun-unpack -l {}{} -d '{}'\n", option.spellings[0].substr(2),
                        option.value.empty() ? "" : " -x", behind_backslashes(option.text, "'\\"));
  return text;
}

}  // namespace

std::map<std::string, std::string> unpack_pages(const std::string& version) {
  auto options = unpack::option_entries();
  return {
      {"minirun-unpack.1", own_program_page("minirun-unpack", unpack::manual(), options, version,
                                            "\\fBminirun\\fR(8), \\fBnewuidmap\\fR(1), \\fBsubuid\\fR(5)")},
      {"minirun-unpack.bash", unpack_bash(options)},
      {"_minirun-unpack", unpack_zsh(options)},
      {"minirun-unpack.fish", unpack_fish(options)},
  };
}

}  // namespace minirun::packaging
