#include "runtime/exit_status.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "sys/file.h"
#include "sys/kernel_abi.h"

namespace minirun {
namespace {

constexpr int kReapedMs = 1000;

std::optional<int> status_of_pidfd(int pidfd) {
  abi::PidfdInfo info{};
  info.mask = abi::kPidfdInfoExit;
  if (ioctl(pidfd, abi::kPidfdGetInfo, &info) < 0 || (info.mask & abi::kPidfdInfoExit) == 0) return std::nullopt;
  return info.exit_code;
}

// Of a process that nobody has reaped yet.
std::optional<int> status_of_zombie(int pidfd, pid_t pid) {
  auto stat = read_file(AT_FDCWD, "/proc/" + std::to_string(pid) + "/stat", 8192);
  size_t at = stat.ok() ? stat->rfind(' ') : std::string::npos;  // exit_code is the last field
  if (at == std::string::npos) return std::nullopt;
  // Still there: what was read was its own.
  if (syscall(SYS_pidfd_send_signal, pidfd, 0, nullptr, 0) < 0) return std::nullopt;
  return static_cast<int>(strtol(stat->c_str() + at, nullptr, 10));
}

}  // namespace

Result<std::optional<int>> await_exit(int pidfd, pid_t pid) {
  pollfd ended{pidfd, POLLIN, 0};
  while (poll(&ended, 1, -1) < 0)
    if (errno != EINTR) return fail(errno, "wait for process {}", pid);
  if (auto status = status_of_pidfd(pidfd)) return status;
  auto seen = status_of_zombie(pidfd, pid);
  pollfd reaped{pidfd, 0, 0};         // POLLHUP, which is always waited for
  (void)poll(&reaped, 1, kReapedMs);  // a parent may never reap it
  auto status = status_of_pidfd(pidfd);
  return status ? status : seen;
}

int shell_status(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace minirun
