// SPDX-License-Identifier: Apache-2.0
// What --help, `minirun help` and --version print.
#pragma once

#include <string>
#include <string_view>

#include "runtime/commands/command.h"

namespace minirun {

// Of one command: synopsis, description, options in their groups, examples, exit statuses. "": no such command.
std::string command_help(std::string_view command);

// Of the program: the commands, and the options that stand before one.
std::string program_help();

std::string version_text();

// What --help and --version ask for. command: "" for the program.
Command help_on(std::string_view command);
Command version_command();

}  // namespace minirun
