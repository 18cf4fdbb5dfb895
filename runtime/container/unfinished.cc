// SPDX-License-Identifier: Apache-2.0
#include "runtime/container/unfinished.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.h"

namespace minirun {

constexpr const char* kUnfinishedName = "unfinished";

Result<Unfinished> Unfinished::begin(int state_fd) {
  UniqueFd lock = TRY(open_at(state_fd, kUnfinishedName, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  if (syscall(SYS_flock, lock.get(), LOCK_EX | LOCK_NB) < 0) return fail(errno, "lock {}", kUnfinishedName);
  return Unfinished(std::move(lock));
}

Result<void> Unfinished::finish(int state_fd) {
  if (unlinkat(state_fd, kUnfinishedName, 0) < 0 && errno != ENOENT) return fail(errno, "remove {}", kUnfinishedName);
  lock_.reset();
  return {};
}

Result<bool> never_finished(int state_fd) {
  struct stat facts {};
  if (fstatat(state_fd, kUnfinishedName, &facts, AT_SYMLINK_NOFOLLOW) == 0) return true;
  if (errno != ENOENT) return fail(errno, "stat {}", kUnfinishedName);
  return false;
}

Result<bool> is_unfinished(int state_fd) {
  return is_locked(state_fd, kUnfinishedName);
}

}  // namespace minirun
