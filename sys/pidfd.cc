// SPDX-License-Identifier: Apache-2.0
#include "sys/pidfd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "sys/directory.h"

namespace minirun {

Result<UniqueFd> open_pidfd(pid_t pid) {
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return fail(errno, "pidfd_open {}", pid);
  return pidfd;
}

Result<bool> send_signal(int pidfd, int signal, siginfo_t* info) {
  if (syscall(SYS_pidfd_send_signal, pidfd, signal, info, 0) == 0) return true;
  return errno == ESRCH ? Result<bool>(false) : fail(errno, "send signal {}", signal);
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

Result<bool> has_ended(int pidfd) {
  return await_end(pidfd, std::chrono::steady_clock::time_point());
}

Result<std::vector<pid_t>> all_pids() {
  std::vector<pid_t> pids;
  TRY(for_each_entry(AT_FDCWD, "/proc", [&](const dirent& entry) -> Result<bool> {
    std::string_view name = static_cast<const char*>(entry.d_name);
    pid_t pid = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size()) pids.push_back(pid);
    return true;
  }));
  std::sort(pids.begin(), pids.end());
  return pids;
}

}  // namespace minirun
