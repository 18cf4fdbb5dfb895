// SPDX-License-Identifier: Apache-2.0
#include "sys/directory.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "sys/fd.h"
#include "sys/file.h"

namespace minirun {

namespace {

Error cannot_read(const std::string& path) {
  return fail(errno, "read {}", path == "." ? "a directory" : path);
}

// 64-bit: struct dirent is what getdents64(2) fills in. False: it is not to be looked at further.
Result<bool> visit_one(const dirent& entry, const std::function<Result<bool>(const dirent& entry)>& visit) {
  std::string_view name = static_cast<const char*>(entry.d_name);
  return name == "." || name == ".." ? Result<bool>(true) : visit(entry);
}

// By the descriptor itself, whose offset it moves.
Result<void> for_each_entry_of(int fd, const std::function<Result<bool>(const dirent& entry)>& visit) {
  alignas(dirent) char block[4096];
  if (lseek(fd, 0, SEEK_SET) < 0) return cannot_read(".");
  for (;;) {
    long size = syscall(SYS_getdents64, fd, block, sizeof block);
    if (size < 0) return cannot_read(".");
    if (size == 0) return {};
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const dirent*>(block + at);
      if (!TRY(visit_one(*entry, visit))) return {};
      at += entry->d_reclen;
    }
  }
}

}  // namespace

Result<void> for_each_entry(int dirfd, const std::string& path,
                            const std::function<Result<bool>(const dirent& entry)>& visit) {
  auto opened = open_at(dirfd, path, O_RDONLY | O_DIRECTORY);
  // What is taken away on the way out of this very error must not be left for it.
  if (!opened.ok() && opened.error().code == EMFILE && path == ".") return for_each_entry_of(dirfd, visit);
  UniqueFd fd = TRY(std::move(opened));
  std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(fd.get()), closedir);
  if (!directory) return cannot_read(path);
  (void)fd.release();  // the stream owns it now
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(directory.get());
    if (entry == nullptr && errno != 0) return cannot_read(path);
    if (entry == nullptr || !TRY(visit_one(*entry, visit))) return {};
  }
}

}  // namespace minirun
