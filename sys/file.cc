// SPDX-License-Identifier: Apache-2.0
#include "sys/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>

#include "sys/transient_error.h"

namespace minirun {

Result<UniqueFd> open_at(int dirfd, const std::string& path, int flags, unsigned mode) {
  UniqueFd fd(openat(dirfd, path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) return fail(errno, "open {}", path);
  return fd;
}

Result<bool> is_same_file(int one, int other) {
  struct stat a {
  }, b{};
  if (fstat(one, &a) < 0 || fstat(other, &b) < 0) return fail(errno, "stat a descriptor");
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

Result<std::string> name_of_descriptor(int fd) {
  char name[PATH_MAX];
  std::string link = fmt::format("/proc/self/fd/{}", fd);
  ssize_t n = readlink(link.c_str(), name, sizeof name);
  if (n < 0 || n == static_cast<ssize_t>(sizeof name)) return fail(n < 0 ? errno : ENAMETOOLONG, "readlink {}", link);
  return std::string(name, static_cast<size_t>(n));
}

Result<bool> is_locked(int dirfd, const std::string& name) {
  auto file = open_at(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!file.ok() && is_transient(file.error().code)) return file.error();
  if (!file.ok()) return false;
  // Closing the descriptor releases the lock.
  if (syscall(SYS_flock, file->get(), LOCK_SH | LOCK_NB) == 0) return false;
  return errno == EWOULDBLOCK ? Result<bool>(true) : fail(errno, "flock {}", name);
}

Result<std::string> read_all(int fd, size_t max_bytes, std::string_view name) {
  std::string data;
  size_t used = 0;
  for (;;) {
    if (used > max_bytes) return fail(EFBIG, "read {}: more than {} bytes", name, max_bytes);
    if (data.size() - used < 4096) data.resize(used + 16384 + used / 2);
    ssize_t n = read(fd, data.data() + used, data.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(errno, "read {}", name);
    if (n == 0) break;
    used += static_cast<size_t>(n);
  }
  data.resize(used);
  return data;
}

Result<std::string> read_file(int dirfd, const std::string& path, size_t max_bytes) {
  UniqueFd fd = TRY(open_at(dirfd, path, O_RDONLY));
  return read_all(fd.get(), max_bytes, path);
}

Result<void> write_control(int dirfd, const std::string& path, std::string_view data) {
  UniqueFd fd = TRY(open_at(dirfd, path, O_WRONLY));
  ssize_t n = write(fd.get(), data.data(), data.size());
  if (n < 0) return fail(errno, "write \"{}\" to {}", data.substr(0, 200), path);
  if (static_cast<size_t>(n) != data.size()) return fail(EIO, "write {}: {} of {} bytes", path, n, data.size());
  return {};
}

Result<void> write_all(int fd, std::string_view data, const std::string& name) {
  for (size_t done = 0; done < data.size();) {
    ssize_t n = write(fd, data.data() + done, data.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(n < 0 ? errno : EIO, "write {}", name);
    done += static_cast<size_t>(n);  // a part: the next call returns the reason
  }
  return {};
}

Result<void> replace_file(int dirfd, const std::string& name, std::string_view data, unsigned mode) {
  std::string temporary = name + ".new";
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  auto opened = open_at(dirfd, temporary, kFlags, mode);
  if (!opened.ok() && opened.error().code == EEXIST) {  // left by a killed process, or another user's link
    (void)unlinkat(dirfd, temporary.c_str(), 0);
    opened = open_at(dirfd, temporary, kFlags, mode);
  }
  UniqueFd fd = TRY(std::move(opened));
  auto written = write_all(fd.get(), data, temporary);
  if (written.ok() && renameat(dirfd, temporary.c_str(), dirfd, name.c_str()) < 0)
    written = fail(errno, "rename {} to {}", temporary, name);
  if (!written.ok()) (void)unlinkat(dirfd, temporary.c_str(), 0);  // the first error is reported
  return written;
}

}  // namespace minirun
