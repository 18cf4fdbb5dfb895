// SPDX-License-Identifier: Apache-2.0
#include "sys/directory.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "sys/file.h"

namespace minirun {

namespace {

Error cannot_read(const std::string& path) {
  return fail(errno, "read {}", path == "." ? "a directory" : path);
}

// From where fd stands. 64-bit: struct dirent is what getdents64(2) fills in.
Result<void> read_on(int fd, const std::string& path, const std::function<Result<bool>(const dirent& entry)>& visit) {
  alignas(dirent) char block[4096];
  for (;;) {
    long size = syscall(SYS_getdents64, fd, block, sizeof block);
    if (size < 0 && errno != ENOENT) return cannot_read(path);
    if (size <= 0) return {};  // ENOENT: it was removed meanwhile, so it has no entries
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent*>(block + at);
      at += entry->d_reclen;
      std::string_view name = static_cast<const char*>(entry->d_name);
      if (name != "." && name != ".." && !TRY(visit(*entry))) return {};
    }
  }
}

}  // namespace

Result<void> for_each_entry(int dirfd, const std::string& path,
                            const std::function<Result<bool>(const dirent& entry)>& visit) {
  auto opened = open_at(dirfd, path, O_RDONLY | O_DIRECTORY);
  if (opened.ok()) return read_on(opened->get(), path, visit);
  // Cleaning up after EMFILE must work despite EMFILE.
  if (opened.error().code != EMFILE || path != ".") return opened.error();
  return lseek(dirfd, 0, SEEK_SET) < 0 ? Result<void>(cannot_read(path)) : read_on(dirfd, path, visit);
}

}  // namespace minirun
