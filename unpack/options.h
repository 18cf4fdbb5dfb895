// SPDX-License-Identifier: Apache-2.0
// The command line of minirun-unpack. Its help, manual page and completions come from one table.
#pragma once

#include <string>
#include <vector>

#include "runtime/commands/command.h"
#include "runtime/commands/options.h"
#include "sys/result.h"
#include "unpack/unpack.h"

namespace minirun::unpack {

struct CommandLine {
  Request request;
  bool help = false;
  bool version = false;
};

// words: without the program's name. Errors are of kind usage.
Result<CommandLine> parse_command_line(const std::vector<std::string>& words);

Manual manual();
std::vector<OptionEntry> option_entries();
std::string help_text();

}  // namespace minirun::unpack
