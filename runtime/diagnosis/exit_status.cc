// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/exit_status.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "sys/kernel_abi.h"
#include "sys/pidfd.h"
#include "sys/process_stat.h"

namespace minirun {
namespace {

constexpr int kReapedMs = 1000;

std::optional<int> status_of_pidfd(int pidfd) {
  abi::PidfdInfo info{};
  info.mask = abi::kPidfdInfoExit;
  if (ioctl(pidfd, abi::kPidfdGetInfo, &info) < 0 || (info.mask & abi::kPidfdInfoExit) == 0) return std::nullopt;
  return info.exit_code;
}

// Whether this process may trace it, as /proc/PID/stat requires for the exit code: to others the kernel shows 0
// (do_task_stat() in fs/proc/array.c), so a container of another user, or one whose init was not dumpable, would seem
// to have succeeded. The link asks the same question (proc_ns_readlink() in fs/proc/namespaces.c).
bool may_read_exit_code(pid_t pid) {
  char name[64];
  const std::string link = "/proc/" + std::to_string(pid) + "/ns/user";
  return readlink(link.c_str(), name, sizeof name) >= 0 || (errno != EACCES && errno != EPERM);
}

// For a process that has not been reaped yet.
std::optional<int> status_of_zombie(int pidfd, pid_t pid) {
  auto stat = read_stat(pid);
  auto status = stat.ok() ? stat_field(*stat, kStatExitCode) : std::nullopt;
  if (!status || (*status == 0 && !may_read_exit_code(pid))) return std::nullopt;
  // It still exists, so the status was its own.
  auto there = send_signal(pidfd, 0);
  return there.ok() && *there ? std::optional(static_cast<int>(*status)) : std::nullopt;
}

void await_reaped(int pidfd) {
  pollfd reaped{pidfd, 0, 0};         // POLLHUP, which is always waited for
  (void)poll(&reaped, 1, kReapedMs);  // a parent may never reap it
}

}  // namespace

std::optional<int> exit_if_known(int pidfd, pid_t pid) {
  auto status = status_of_pidfd(pidfd);
  return status ? status : status_of_zombie(pidfd, pid);
}

std::optional<int> exit_by_now(int pidfd, pid_t pid) {
  if (auto status = exit_if_known(pidfd, pid)) return status;
  await_reaped(pidfd);  // it is about to be, or its status is not for this process to read
  return status_of_pidfd(pidfd);
}

Result<std::optional<int>> await_exit(int pidfd, pid_t pid) {
  pollfd ended{pidfd, POLLIN, 0};
  while (poll(&ended, 1, -1) < 0)
    if (errno != EINTR) return fail(errno, "wait for process {}", pid);
  if (auto status = status_of_pidfd(pidfd)) return status;
  auto seen = status_of_zombie(pidfd, pid);
  await_reaped(pidfd);
  auto status = status_of_pidfd(pidfd);
  return status ? status : seen;
}

Result<int> status_of_ended(int pidfd, pid_t pid) {
  constexpr int kCoreDumped = 0x80;
  // Twice, since a tracer may release it just now.
  for (int attempt = 0; attempt < 2; ++attempt) {
    siginfo_t info{};
    if (waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOWAIT | WNOHANG) < 0)
      return fail(errno, "wait for process {}", pid);
    if (info.si_pid != 0 && info.si_code == CLD_EXITED) return (info.si_status & 0xff) << 8;
    if (info.si_pid != 0) return info.si_status | (info.si_code == CLD_DUMPED ? kCoreDumped : 0);
    if (auto status = status_of_zombie(pidfd, pid)) return *status;
  }
  return fail(ErrorKind::host, "wait for process {}: another process traces it", pid);
}

void reap_ended(int pidfd) {
  for (int waited_ms = 0; waited_ms < kReapedMs; ++waited_ms) {
    siginfo_t info{};
    if (waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) < 0 || info.si_pid != 0) return;
    (void)poll(nullptr, 0, 1);
  }
}

int shell_status(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace minirun
