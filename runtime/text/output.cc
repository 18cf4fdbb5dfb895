// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace minirun {

Result<void> write_output(std::string_view text) {
  while (!text.empty()) {
    ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n > 0) text.remove_prefix(static_cast<size_t>(n));
    if (n > 0 || (n < 0 && errno == EINTR)) continue;
    if (n == 0 || errno != EAGAIN) return fail(n < 0 ? errno : EIO, "write to stdout");
    pollfd room{STDOUT_FILENO, POLLOUT, 0};
    if (poll(&room, 1, -1) < 0 && errno != EINTR) return fail(errno, "write to stdout");
  }
  return {};
}

}  // namespace minirun
