// SPDX-License-Identifier: Apache-2.0
// Starts programs, talks to them over pipes, and waits for them, never for ever.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "sys/fd.h"

namespace minirun::testing {

// How a program ended: its exit status, or minus the signal that killed it, or kTimedOut.
constexpr int kTimedOut = -1000;
struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

// For messages: the status and both outputs.
std::string describe(const Outcome& outcome);

struct StartOptions {
  int stdin_fd = -1;                         // -1: /dev/null
  int stdout_fd = -1;                        // -1: captured
  int stderr_fd = -1;                        // -1: captured
  std::function<void()> in_child = nullptr;  // runs between fork and exec
  std::vector<std::string> env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
};

// A started program. Killed and reaped when the object goes.
class Running {
 public:
  // argv[0] is a path. Ends the test program when it cannot be started.
  Running(const std::vector<std::string>& argv, const StartOptions& options);
  ~Running();
  Running(Running&&) = delete;

  pid_t pid() const { return pid_; }
  void send(int signal) const;

  // Until its captured stdout (stderr) holds the text; false when it ends or the time is over before. Scaled by
  // slowness().
  bool wait_for(const std::string& text, int milliseconds = 10000);
  bool wait_for_error(const std::string& text, int milliseconds = 10000);

  // Waits for its end. When the time is over it is killed and the code is kTimedOut. What others (a detached
  // container) write to its pipes later is not waited for.
  Outcome finish(int milliseconds = 30000);

  const std::string& out() const { return outcome_.out; }
  const std::string& err() const { return outcome_.err; }

 private:
  bool pump(const std::function<bool()>& enough, int milliseconds);
  void drain();
  void reap();

  pid_t pid_ = -1;
  bool ended_ = false;
  UniqueFd pidfd_;
  UniqueFd out_;
  UniqueFd err_;
  Outcome outcome_;
};

// Calls the question every few milliseconds until it says yes; false when the time (scaled by slowness()) is over.
bool eventually(const std::function<bool()>& question, int milliseconds = 5000);

}  // namespace minirun::testing
