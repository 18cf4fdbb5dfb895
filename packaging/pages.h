// SPDX-License-Identifier: Apache-2.0
// Manual pages and completions, made from the table of commands.
#pragma once

#include <string>

#include "runtime/commands/command_table.h"

namespace minirun::packaging {

// One page. command: nullptr for that of the program.
std::string manual_page(const CommandTable& program, const CommandEntry* command, const std::string& version);

std::string bash_completion(const CommandTable& program);
std::string zsh_completion(const CommandTable& program);
std::string fish_completion(const CommandTable& program);

}  // namespace minirun::packaging
