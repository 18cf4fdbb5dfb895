// SPDX-License-Identifier: Apache-2.0
// Writes to a caller's descriptor that may have no reader, or one that does not read.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "sys/result.h"

namespace minirun {

constexpr std::chrono::milliseconds kReaderPatience{1000};

// Whether the caller gave a descriptor that minirun can write to and the container does not get. Call it before minirun
// opens anything, while every open descriptor is the caller's. option: with its value, for the message. stdio: why it
// must be none of 0 to 2. handed_on: how many after these the container gets. ErrorKind::usage: it is not one.
Result<void> check_caller_descriptor(const std::string& option, uint64_t fd, const char* stdio, uint64_t handed_on);

// Writes all of it, and waits for a reader up to kReaderPatience. Raises no SIGPIPE, and leaves the flags of the
// descriptor as they are. Returns 0 or an errno value: ETIMEDOUT if the reader does not read. A part may have been
// written.
int write_patiently(int fd, std::string_view text);

}  // namespace minirun
