// SPDX-License-Identifier: Apache-2.0
// The output of --help, `minirun help` and --version.
#pragma once

#include <string>
#include <string_view>

#include "runtime/commands/command.h"

namespace minirun {

// For one command: synopsis, description, options in their groups, examples, exit statuses. "": no such command.
std::string command_help(std::string_view command);

// For the program: the commands, and the options that precede one.
std::string program_help();

std::string version_text();

// The command that prints this help. command: "" for the program's.
Command help_on(std::string_view command);
Command version_command();

}  // namespace minirun
