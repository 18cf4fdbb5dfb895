// SPDX-License-Identifier: Apache-2.0
// From the words of a command line to the command that they ask for.
#pragma once

#include <string>

#include "runtime/commands/command.h"
#include "runtime/commands/global_options.h"
#include "sys/result.h"

namespace minirun {

struct Invocation {
  GlobalOptions global;     // what could be read of them, where the command line is wrong
  Result<Command> command;  // ErrorKind::usage: the command line is wrong
  Descriptors descriptors{};
  std::string errors_of{};  // the command and its container, which stand before the text of its errors; "": nothing
};

Invocation parse_command_line(int argc, char** argv);

}  // namespace minirun
