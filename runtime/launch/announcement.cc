// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/announcement.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/supervise/console.h"
#include "sys/file.h"

namespace minirun {
namespace {

Result<void> write_pid_file(const std::string& path, pid_t pid) {
  struct stat info {};
  if (lstat(path.c_str(), &info) < 0 || S_ISREG(info.st_mode))
    return replace_file(AT_FDCWD, path, std::to_string(pid), 0644);
  // The owner of a device, a FIFO or a link wants the pid through it.
  UniqueFd fd = TRY(open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY, 0644));
  return write_all(fd.get(), std::to_string(pid), path);
}

}  // namespace

Result<void> Announcement::make(pid_t pid, int pidfd) {
  if (made_) return {};
  if (!pidfd_socket_.empty()) TRY(send_pidfd(pidfd_socket_, pidfd));
  if (!pid_file_.empty()) TRY(write_pid_file(pid_file_, pid));
  made_ = true;
  return {};
}

void Announcement::withdraw() const {
  struct stat info {};
  if (!made_ || pid_file_.empty()) return;
  if (lstat(pid_file_.c_str(), &info) == 0 && S_ISREG(info.st_mode)) (void)unlink(pid_file_.c_str());
}

}  // namespace minirun
