// SPDX-License-Identifier: Apache-2.0
// /proc/PID/stat (proc_pid_stat(5)) and /proc/PID/status (proc_pid_status(5)). Both describe whatever process has the
// number now: check its pidfd afterwards to be sure.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "sys/result.h"

namespace minirun {

// Numbers of fields, as the man page counts them.
constexpr int kStatParent = 4, kStatFlags = 9, kStatStartTime = 22, kStatExitCode = 52;

// The whole line; ENOENT or ESRCH when the process is gone.
Result<std::string> read_stat(pid_t pid);

// A field after the command name, which may contain anything but ends at the last ')'. Nothing: the line is shorter.
std::optional<uint64_t> stat_field(const std::string& stat, int number);

// The whole of /proc/PID/status; ENOENT or ESRCH when the process is gone.
Result<std::string> read_status(pid_t pid);

// The value of a line without the blanks around it: "0000000000000000" for "SigBlk" in "SigBlk:\t0000000000000000".
// Nothing: no such line. A process cannot forge one: the kernel escapes line ends in its name.
std::optional<std::string> status_field(const std::string& status, const std::string& name);

}  // namespace minirun
