// SPDX-License-Identifier: Apache-2.0
// Writes to a caller's descriptor that may have no reader, or one that does not read.
#pragma once

#include <chrono>
#include <string_view>

namespace minirun {

constexpr std::chrono::milliseconds kReaderPatience{1000};

// Writes all of it, and waits for a reader up to kReaderPatience. Raises no SIGPIPE, and leaves the flags of the
// descriptor as they are. Returns 0 or an errno value: ETIMEDOUT if the reader does not read. A part may have been
// written.
int write_patiently(int fd, std::string_view text);

}  // namespace minirun
