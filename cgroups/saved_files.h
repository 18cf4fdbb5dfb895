// SPDX-License-Identifier: Apache-2.0
// The content of control files before a change, so that a change that fails halfway can be undone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cgroups/limits.h"

namespace minirun {

// The text that restores a file: `content` is its content before `value` was written. In a file with a line for each
// device it is the line of value's device. Empty: unknown.
std::optional<std::string> undo_value(std::string_view file, std::string_view content, std::string_view value);

class SavedFiles {
 public:
  explicit SavedFiles(int cgroup_fd) : cgroup_fd_(cgroup_fd) {}  // borrowed

  // Call it before the write. Skips files that do not exist or cannot be read (those that only trigger something).
  void save(const Write& write);

  // Restores what has changed since, the latest first. Returns the files for which that failed: "memory.max, io.max".
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
