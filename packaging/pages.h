// SPDX-License-Identifier: Apache-2.0
// Manual pages and completions, made from the table of commands.
#pragma once

#include <string>
#include <vector>

#include "runtime/commands/command_table.h"

namespace minirun::packaging {

// One page. command: nullptr for that of the program.
std::string manual_page(const CommandTable& program, const CommandEntry* command, const std::string& version);

// That of a program with options and no commands, in section 1. see_also: in roff.
std::string own_program_page(const std::string& name, const Manual& manual, const std::vector<OptionEntry>& options,
                             const std::string& version, const std::string& see_also);

std::string bash_completion(const CommandTable& program);
std::string zsh_completion(const CommandTable& program);
std::string fish_completion(const CommandTable& program);

}  // namespace minirun::packaging
