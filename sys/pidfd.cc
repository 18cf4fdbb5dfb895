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
#include "sys/file.h"
#include "sys/process_stat.h"
#include "sys/transient_error.h"

namespace minirun {
namespace {

Result<std::vector<pid_t>> children_by_their_parent() {
  std::vector<pid_t> children;
  for (pid_t pid : TRY(all_pids())) {
    auto stat = read_stat(pid);
    if (!stat.ok() && is_transient(stat.error().code)) return stat.error();
    if (!stat.ok()) continue;  // gone meanwhile
    if (stat_field(*stat, kStatParent) == static_cast<uint64_t>(getpid())) children.push_back(pid);
  }
  return children;
}

}  // namespace

Result<UniqueFd> open_pidfd(pid_t pid) {
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  // EINVAL: it is being reaped at this moment (Linux 6.1), or the number is a thread's. The arguments are valid.
  if (!pidfd) return fail(errno == EINVAL && pid > 0 ? ESRCH : errno, "pidfd_open {}", pid);
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

Result<std::vector<pid_t>> own_children(const std::string& list) {
  auto text = read_file(AT_FDCWD, list);
  if (!text.ok()) return text.error().code == ENOENT ? children_by_their_parent() : text.error();
  std::vector<pid_t> pids;
  for (std::string_view left = *text; !left.empty();) {
    pid_t pid = 0;
    auto [end, error] = std::from_chars(left.data(), left.data() + left.size(), pid);
    if (error != std::errc()) return fail(EINVAL, "{}: must be a list of processes", list);
    pids.push_back(pid);
    left.remove_prefix(std::min(left.size(), static_cast<size_t>(end - left.data()) + 1));  // and the blank behind it
  }
  return pids;
}

}  // namespace minirun
