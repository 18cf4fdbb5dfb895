// SPDX-License-Identifier: Apache-2.0
// /proc/PID/stat (proc_pid_stat(5)).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "sys/result.h"

namespace minirun {

// Numbers of fields, as the man page counts them.
constexpr int kStatParent = 4, kStatFlags = 9, kStatStartTime = 22;

// The whole line; ENOENT or ESRCH when the process is gone.
Result<std::string> read_stat(pid_t pid);

// A field behind the command name, which may hold anything but ends at the last ')'. Nothing: the line is shorter.
std::optional<uint64_t> stat_field(const std::string& stat, int number);

}  // namespace minirun
