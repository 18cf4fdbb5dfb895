#include "sys/pidfd.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace minirun {

Result<UniqueFd> open_pidfd(pid_t pid) {
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return fail(errno, "pidfd_open {}", pid);
  return pidfd;
}

Result<bool> await_end(int pidfd, std::chrono::steady_clock::time_point deadline) {
  using std::chrono::nanoseconds, std::chrono::seconds;
  for (;;) {
    auto left = std::max(nanoseconds(deadline - std::chrono::steady_clock::now()), nanoseconds(0));
    timespec time{left / seconds(1), (left % seconds(1)).count()};
    pollfd ended{pidfd, POLLIN, 0};
    int n = ppoll(&ended, 1, &time, nullptr);
    if (n >= 0) return n > 0;
    if (errno != EINTR) return fail(errno, "wait for the end of a process");
  }
}

}  // namespace minirun
