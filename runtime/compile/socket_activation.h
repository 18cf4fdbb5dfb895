// SPDX-License-Identifier: Apache-2.0
// Socket activation (sd_listen_fds(3)): descriptors from 3 on that minirun's caller passes to the container.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace minirun {

struct ListenFds {
  uint32_t count = 0;                // descriptors 3 .. 2 + count
  std::optional<std::string> names;  // LISTEN_FDNAMES
};

// Parses the three variables of minirun's own environment. Like sd_listen_fds(3), returns none unless listen_pid is
// this process and listen_fds is a number: otherwise they were meant for another process (a parent forgot to clear
// them).
ListenFds parse_listen_fds(const char* listen_pid, const char* listen_fds, const char* names, pid_t self);
ListenFds own_listen_fds();

}  // namespace minirun
