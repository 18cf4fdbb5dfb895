// SPDX-License-Identifier: Apache-2.0
// The table of ps(1), cut down to a container's processes.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace minirun {

// Runs ps(1), found in an absolute directory of PATH, with these arguments and returns what it printed. Errors: it is
// not there, it fails (with its own words), it prints more than 16 MiB, or it takes longer than ten seconds.
Result<std::string> run_ps(const std::vector<std::string>& arguments);

// The first line and those whose column PID is in the sorted list. Errors: no such column, or no number in it.
Result<std::string> select_processes(std::string_view table, const std::vector<pid_t>& pids);

}  // namespace minirun
