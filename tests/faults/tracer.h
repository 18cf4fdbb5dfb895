// SPDX-License-Identifier: Apache-2.0
// Runs a command with one fault in it: at the N-th system call of the whole process tree. x86-64.
//
// Entries of system calls are counted over all processes that the command starts, across fork, clone, vfork and exec,
// in the order in which they happen, from the first call of the program itself on. A program named "payload" is the
// workload: it is let go at its exec, and neither counted nor killed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace minirun::testing {

// Which process gets SIGKILL at the chosen call.
enum class Victim : uint8_t { command, caller, all };

struct Fault {
  enum class Kind : uint8_t {
    none,     // only counts
    ask,      // SIGTERM to minirun at the entry of call `at`
    kill,     // SIGKILL to the victim at the entry of call `at`: the call itself is not done
    fail,     // call `at` fails with one of its errors (FailingCall in calls.h) and does nothing; close(2) closes
    missing,  // call number `number` fails with ENOSYS, always
    // Not of a call: the container's record loses all from byte `at` on, or a bit of that byte is another.
    cut_record,
    flip_record,
  };
  Kind kind = Kind::none;
  uint64_t at = 0;  // counted from 1
  Victim victim = Victim::command;
  size_t error = 0;  // which of the call's errors, counted from 0
  long number = -1;
};

struct Traced {
  int code = 0;             // as Outcome::code
  bool faulted = false;     // the fault took place
  std::string where;        // for people: "openat of minirun: EIO"
  std::vector<long> calls;  // the numbers of all calls, in order, up to the fault
};

constexpr int kStatusFd = 30;

struct TracedCommand {
  std::vector<std::string> argv;  // argv[0] is a path
  int stdout_fd = -1;
  int stderr_fd = -1;
  int status_fd = -1;  // as descriptor kStatusFd
  int seconds = 20;    // then everything is killed, and the code is kTimedOut
};

// No other child of this process may end meanwhile. What is left of the tree when the command has ended is let go, or
// killed with it when the victim is `all`.
Traced run_traced(const TracedCommand& command, const Fault& fault);

}  // namespace minirun::testing
