// SPDX-License-Identifier: Apache-2.0
// The table of ps(1), reduced to a container's processes.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace minirun {

// Runs ps(1) from an absolute directory of PATH with these arguments and returns its output. Errors: it is missing, it
// fails (with its own message), it prints more than 16 MiB, or it takes more than ten seconds.
Result<std::string> run_ps(const std::vector<std::string>& arguments);

// The first line and those with a PID in the sorted list. Errors: no column PID, or no number in it.
Result<std::string> select_processes(std::string_view table, const std::vector<pid_t>& pids);

}  // namespace minirun
