// SPDX-License-Identifier: Apache-2.0
// Parses a command line into the command that it asks for.
#pragma once

#include <string>

#include "runtime/commands/command.h"
#include "runtime/commands/global_options.h"
#include "sys/result.h"

namespace minirun {

struct Invocation {
  GlobalOptions global;     // as far as readable, if the command line is wrong
  Result<Command> command;  // ErrorKind::usage: the command line is wrong
  Descriptors descriptors{};
  std::string errors_of{};  // the command and its container, which precede the text of its errors; "": nothing
};

Invocation parse_command_line(int argc, char** argv);

}  // namespace minirun
