// SPDX-License-Identifier: Apache-2.0
// What control files said before a change, so that a change that fails half way can be taken back.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cgroups/limits.h"

namespace minirun {

// What is to be written to a file so that it is again as it was: `content` is the file's before `value` was written to
// it. Of a file with a line for each device that is the line of value's device. Empty: unknown.
std::optional<std::string> undo_value(std::string_view file, std::string_view content, std::string_view value);

class SavedFiles {
 public:
  explicit SavedFiles(int cgroup_fd) : cgroup_fd_(cgroup_fd) {}  // borrowed

  // To be called before the write. Files that are not there or cannot be read (those that only trigger something) are
  // passed over.
  void save(const Write& write);

  // Puts back what has changed since, the latest first. Returns the files for which that failed: "memory.max, io.max".
  std::string restore();

 private:
  struct Saved {
    std::string file;
    std::string content;
    std::string value;
  };
  void save_file(const std::string& file, const std::string& value);

  int cgroup_fd_;
  std::vector<Saved> saved_;
};

}  // namespace minirun
