// SPDX-License-Identifier: Apache-2.0
// Runs third-party programs as children of this process: ps(1), newuidmap(1), criu(8), minirun-systemd.
//
// A child gets only what ProgramStart names: no other descriptor, an empty signal mask, default dispositions. It is
// forked, not vforked: its work before the exec may hang on a filesystem, and the caller must react to signals
// meanwhile. Between fork and exec it makes system calls only.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct ProgramStart {
  std::string path;                        // as for execve(2), see find_program()
  std::string name{};                      // in errors; empty: the path
  std::vector<std::string> arguments{};    // argv[0] included
  std::vector<std::string> environment{};  // all of it, as NAME=VALUE
  int stdin_fd = -1, stdout_fd = -1;       // borrowed; -1: /dev/null. stderr is captured: ChildProgram::errors()
  std::vector<int> kept_fds{};             // borrowed; the program has them under the same numbers, 3 and above
  int cgroup_fd = -1;                      // borrowed; the child is born there (CLONE_INTO_CGROUP). -1: in the caller's
  bool dies_with_caller = false;  // SIGKILL when the calling thread ends (PR_SET_PDEATHSIG), unless it is set-user-ID
  // Called in the child as its first act: system calls only, no heap. Returns null, or what failed, with errno set.
  std::function<const char*()> prepare{};
};

// Owns the process: the destructor kills it (SIGKILL) and reaps it. A child that the kernel does not let die within ten
// seconds, or that its tracer does not give back, is left behind.
class ChildProgram {
 public:
  // Returns before the exec. Errors: pipe2(2), clone3(2), /dev/null cannot be opened.
  static Result<ChildProgram> start(const ProgramStart& start);
  ChildProgram(ChildProgram&& other) noexcept = default;
  ChildProgram(const ChildProgram&) = delete;
  ChildProgram& operator=(const ChildProgram&) = delete;
  ChildProgram& operator=(ChildProgram&&) = delete;
  ~ChildProgram();

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }  // borrowed; valid as long as the object

  // Waits until the child has executed its program or has ended. Errors, with the errno of the child: "execute NAME",
  // "give NAME its descriptors", or what prepare() returned. Call it once.
  Result<void> executed();

  // Waits for its end, reaps it and returns its wait status (waitpid(2)). ETIMEDOUT: it has not ended by the deadline,
  // and continues. Do not call it again after it has returned a status.
  Result<int> wait(std::chrono::steady_clock::time_point deadline);

  // The first KiB that it has written to stderr since the last call, without trailing blanks and line ends. The kernel
  // keeps as much unread output as fits into a pipe (pipe(7)). Beyond that the program gets an error (EAGAIN), so it
  // never waits for this process.
  std::string errors();

 private:
  ChildProgram(const std::string& name, pid_t pid, int pidfd, UniqueFd report, UniqueFd errors)
      : name_(name), pid_(pid), pidfd_(pidfd), report_(std::move(report)), errors_(std::move(errors)) {}

  std::string name_;
  pid_t pid_;
  UniqueFd pidfd_;   // -1 in an object that was moved from
  UniqueFd report_;  // at its end when the exec has closed the other end
  UniqueFd errors_;
};

struct ProgramOutcome {
  int status = 0;      // wait status, of waitpid(2)
  std::string output;  // stdout
  std::string errors;  // as of ChildProgram::errors()
};

// Runs the program to its end. With most_output, its stdout is captured in place of stdout_fd: up to its end of file or
// the end of the program, whichever is first. Errors: as of start() and executed(); ETIMEDOUT when it takes longer, and
// EFBIG when it prints more than most_output bytes; then it is killed.
Result<ProgramOutcome> run_program(const ProgramStart& start, std::chrono::milliseconds time, size_t most_output = 0);

// The path of an executable of this name in the colon-separated directories, or "". Skips relative directories: root
// would run what another user put there.
std::string find_program(const std::string& name, std::string_view directories);

// environ(7) as ProgramStart takes it.
std::vector<std::string> inherited_environment();

// For the end of an error message: line ends become blanks.
std::string on_one_line(std::string text);

}  // namespace minirun
