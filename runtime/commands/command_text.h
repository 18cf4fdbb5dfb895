// SPDX-License-Identifier: Apache-2.0
// What --help and the manual pages say of a command beyond its options.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace minirun {

struct Example {
  std::string_view line;  // a command line of minirun, without quotes
  std::string_view text;
};

struct ExitStatus {
  std::string_view status;
  std::string_view text;
};

struct CommandText {
  std::string_view command;
  std::string_view arguments;    // of the synopsis, after the options
  std::string_view description;  // paragraphs, parted by an empty line
  std::array<Example, 2> examples;
  std::span<const ExitStatus> exit_statuses;
};

// nullptr: no such command.
const CommandText* text_of(std::string_view command);

// Of minirun without a command.
const CommandText& program_text();

}  // namespace minirun
