// SPDX-License-Identifier: Apache-2.0
// Says what a user can do about a failed launch: for a step and the errno of its system call, one sentence that names
// the cause and what to change. Pure: facts in, a sentence out. Each row of the table names the test that causes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace minirun {

// Failures outside of any step.
inline constexpr std::string_view kOpenSource = "open_source";  // HostDescriptors and bind sources, before clone
inline constexpr std::string_view kClone = "clone";             // of the first process

struct FailureFacts {
  std::string_view what;                 // op_name() of the step, or one of the above
  int code = 0;                          // errno
  std::string pointer{};                 // JSON pointer of what asked for it: "/mounts/3"
  std::string call{};                    // the system call that failed: "openat2"
  std::string filesystem{};              // of a step that mounts one anew: its type
  bool user_namespace = false;           // the container has one, or minirun is in one
  uint64_t new_namespaces = 0;           // CLONE_NEW* of the container
  std::optional<uint64_t> open_files{};  // of a step that sets RLIMIT_NOFILE: the hard limit
  std::optional<uint64_t> most_files{};  // sysctl fs.nr_open
  std::string pids_reached{};            // "pids.max of cgroup /x is 3", if it was reached
  size_t exec_bytes = 0;                 // arguments and environment of the workload
  size_t exec_strings = 0;
};

// Without brackets; "" if only the kernel's error is known.
std::string remedy_for(const FailureFacts& facts);

// The error with its remedy, if any, in brackets.
Error with_remedy(const Error& error, const FailureFacts& facts);

// The tests that the rows name, for the check that each exists.
std::vector<std::string_view> remedy_tests();

}  // namespace minirun
