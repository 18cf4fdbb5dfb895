// What the manual pages say beyond the table of commands: why and when, and the exit status.
#pragma once

#include <string_view>

namespace minirun::packaging {

struct Prose {
  std::string_view command;
  std::string_view arguments;    // of the synopsis, after the options
  std::string_view description;  // paragraphs, parted by an empty line
  std::string_view exit_status;  // "": 0, or 1 with one line that says why
};

// nullptr: there is no such command, and the build fails.
const Prose* prose_of(std::string_view command);

}  // namespace minirun::packaging
