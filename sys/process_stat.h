// SPDX-License-Identifier: Apache-2.0
// /proc/PID/stat (proc_pid_stat(5)) and /proc/PID/status (proc_pid_status(5)). Both are of whatever process has the
// number by now: who must not take another's asks its pidfd afterwards.
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

// A field behind the command name, which may hold anything but ends at the last ')'. Nothing: the line is shorter.
std::optional<uint64_t> stat_field(const std::string& stat, int number);

// The whole of /proc/PID/status; ENOENT or ESRCH when the process is gone.
Result<std::string> read_status(pid_t pid);

// What stands behind a name, without the blanks around it: "SigBlk" of "SigBlk:\t0000000000000000". Nothing: there is
// no such line. A process cannot forge one: the kernel escapes line ends in its name.
std::optional<std::string> status_field(const std::string& status, const std::string& name);

}  // namespace minirun
