// SPDX-License-Identifier: Apache-2.0
// The files that minirun and its init touch, according to strace(1), as lines that are the same in every run.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace minirun::testing {

// One line for each different call that took a path, or that changes a file or a mount by its descriptor: "read",
// "write" or "path" (O_PATH) for the calls that open, else the call's name; then where, in the order of the arguments:
//   /a/path          from the root of the process, as any other path
//   DIRECTORY path   from the descriptor of the directory
//   DIRECTORY//path  the directory is the root: no link and no ".." leads out (RESOLVE_IN_ROOT); "//path" where it is
//   "/"
// A descriptor stands for its path; one that was opened under a root, for the words it was opened by; and one of a
// mount that is not attached yet, for "[clone of PATH]" or "[new TYPE]".
struct TouchedFiles {
  std::set<std::string> outside;
  std::set<std::string> inside;  // by a process that has the container's root as its own
};

class FileTrace {
 public:
  // Each text becomes its name.
  using Names = std::vector<std::pair<std::string, std::string>>;
  explicit FileTrace(Names names) : names_(std::move(names)) {}

  // strace and its options. It follows all processes; the last argument is the file for what it sees.
  static std::vector<std::string> strace(const std::string& output);
  // Whether the process that strace(1) started has ended.
  static bool first_ended(const std::string& text);

  TouchedFiles read(const std::string& text);

 private:
  struct Process {
    bool inside = false;
    std::map<std::string, std::string> labels;  // of descriptors
    std::string unfinished;
  };

  void take(Process& process, const std::string& call);
  static std::string place(const Process& process, const std::string& descriptor, const std::string& shown,
                           const std::string& path, bool in_root);
  static std::vector<std::string> places(const Process& process, const std::string& name, const std::string& call);
  static void label_result(Process& process, const std::string& name, const std::string& call,
                           const std::vector<std::string>& places);
  std::string neutral(std::string text) const;

  Names names_;
  TouchedFiles files_;
};

}  // namespace minirun::testing
