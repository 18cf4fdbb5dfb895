// SPDX-License-Identifier: Apache-2.0
#include "namespaces/copy_up.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "sys/directory.h"
#include "sys/fd.h"
#include "sys/image_path.h"

namespace minirun {
namespace {

constexpr unsigned kMaxDepth = 128;
constexpr size_t kMaxAttributeBytes = 65536;  // XATTR_SIZE_MAX and XATTR_LIST_MAX
constexpr size_t kBufferBytes = 131072;

// The file behind an O_PATH descriptor, opened: a name could lead to another one by now.
UniqueFd reopen(int fd, int flags) {
  return UniqueFd(open(fmt::format("/proc/self/fd/{}", fd).c_str(), flags | O_CLOEXEC));
}

class Copier {
 public:
  explicit Copier(std::string path) : path_(std::move(path)), buffer_(kBufferBytes) {}

  Result<void> tree(int from, int to, unsigned depth);
  Result<void> attributes(int from, int to);

 private:
  Result<void> entry(int from, int to, const char* name, unsigned depth);
  Result<void> directory(int source, const struct stat& facts, int to, const char* name, unsigned depth);
  Result<void> file(int source, const struct stat& facts, int to, const char* name);
  Result<void> link(int source, int to, const char* name);
  Result<void> content(int from, int to, off_t size);
  Result<void> range(int from, int to, off_t start, off_t end);
  Result<void> finish(int from, int to, const struct stat& facts);
  Error failed() const { return fail(errno, "copy {}", path_); }

  std::string path_;  // in the container, of what is being copied
  std::vector<char> buffer_;
};

Result<void> Copier::tree(int from, int to, unsigned depth) {
  if (depth > kMaxDepth) return fail(ELOOP, "copy {}: more than {} directories deep", path_, kMaxDepth);
  const size_t here = path_.size();
  auto visited = for_each_entry(from, ".", [&](const dirent& found) -> Result<bool> {
    size_t length = path_.size();
    path_.append("/").append(found.d_name);
    TRY(entry(from, to, found.d_name, depth));
    path_.resize(length);
    return true;
  });
  // An error inside an entry already names the longer path.
  return visited.ok() || path_.size() > here ? visited : wrap(visited.error(), "copy " + path_);
}

Result<void> Copier::entry(int from, int to, const char* name, unsigned depth) {
  UniqueFd source(openat(from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat facts {};
  if (!source || fstat(source.get(), &facts) < 0) return failed();
  if (S_ISDIR(facts.st_mode)) return directory(source.get(), facts, to, name, depth);
  if (S_ISREG(facts.st_mode)) return file(source.get(), facts, to, name);
  if (S_ISLNK(facts.st_mode))
    TRY(link(source.get(), to, name));
  else if (mknodat(to, name, facts.st_mode & (S_IFMT | 0600), facts.st_rdev) < 0)
    return failed();
  if (fchownat(to, name, facts.st_uid, facts.st_gid, AT_SYMLINK_NOFOLLOW) < 0) return failed();
  if (!S_ISLNK(facts.st_mode) && fchmodat(to, name, facts.st_mode & 07777, 0) < 0) return failed();
  const timespec times[] = {facts.st_atim, facts.st_mtim};
  if (utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0) return failed();
  return {};
}

Result<void> Copier::directory(int source, const struct stat& facts, int to, const char* name, unsigned depth) {
  if (mkdirat(to, name, 0700) < 0) return failed();
  UniqueFd from = reopen(source, O_RDONLY | O_DIRECTORY);
  UniqueFd made(openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!from || !made) return failed();
  TRY(tree(from.get(), made.get(), depth + 1));
  return finish(from.get(), made.get(), facts);
}

Result<void> Copier::file(int source, const struct stat& facts, int to, const char* name) {
  UniqueFd from = reopen(source, O_RDONLY);
  if (!from) return failed();
  UniqueFd made(openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!made) return failed();
  TRY(content(from.get(), made.get(), facts.st_size));
  return finish(from.get(), made.get(), facts);
}

Result<void> Copier::link(int source, int to, const char* name) {
  char target[4096];  // PATH_MAX
  ssize_t n = readlinkat(source, "", target, sizeof target - 1);
  if (n < 0) return failed();
  target[n] = '\0';
  if (symlinkat(target, to, name) < 0) return failed();
  return {};
}

// Copies the data between the holes, up to the file's initial size: a file that keeps growing does not delay minirun.
Result<void> Copier::content(int from, int to, off_t size) {
  for (off_t at = 0; at < size;) {
    off_t start = lseek(from, at, SEEK_DATA);
    if (start < 0 && errno == ENXIO) break;  // a hole to the end
    off_t end = start < 0 ? start : lseek(from, start, SEEK_HOLE);
    if (end < 0) return failed();
    TRY(range(from, to, start, std::min(end, size)));
    at = end;
  }
  if (ftruncate(to, size) < 0) return failed();
  return {};
}

Result<void> Copier::range(int from, int to, off_t start, off_t end) {
  while (start < end) {
    size_t wanted = std::min(buffer_.size(), static_cast<size_t>(end - start));
    ssize_t n = pread(from, buffer_.data(), wanted, start);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed();
    if (n == 0) return {};  // it was cut short meanwhile
    for (ssize_t done = 0; done < n;) {
      ssize_t written = pwrite(to, buffer_.data() + done, static_cast<size_t>(n - done), start + done);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed();
      done += written;
    }
    start += n;
  }
  return {};
}

// EOPNOTSUPP: a tmpfs has no "user." attributes before Linux 6.6, and no SELinux labels if it has a context option.
Result<void> Copier::attributes(int from, int to) {
  ssize_t bytes = flistxattr(from, nullptr, 0);
  if (bytes < 0 && errno == EOPNOTSUPP) return {};
  if (bytes <= 0) return bytes < 0 ? Result<void>(failed()) : Result<void>();
  std::vector<char> names(kMaxAttributeBytes);
  std::vector<char> value(kMaxAttributeBytes);
  bytes = flistxattr(from, names.data(), names.size());
  if (bytes < 0) return failed();
  for (const char* name = names.data(); name < names.data() + bytes; name += strlen(name) + 1) {
    ssize_t length = fgetxattr(from, name, value.data(), value.size());
    if (length >= 0) length = fsetxattr(to, name, value.data(), static_cast<size_t>(length), 0);
    if (length < 0 && errno != EOPNOTSUPP) return fail(errno, "copy {}: attribute {}", path_, name);
  }
  return {};
}

// In this order, since each may undo a later one: a change of owner clears set-id bits and file capabilities.
Result<void> Copier::finish(int from, int to, const struct stat& facts) {
  if (fchown(to, facts.st_uid, facts.st_gid) < 0) return failed();
  TRY(attributes(from, to));
  if (fchmod(to, facts.st_mode & 07777) < 0) return failed();
  const timespec times[] = {facts.st_atim, facts.st_mtim};
  if (futimens(to, times) < 0) return failed();
  return {};
}

}  // namespace

Result<void> copy_up(int rootfs_fd, int mount_fd, const CopyUp& what) {
  UniqueFd from = open_in_image(rootfs_fd, what.directory.c_str(), O_RDONLY | O_DIRECTORY);
  if (!from && errno == ENOENT) return {};
  struct stat facts {};
  if (!from || fstat(from.get(), &facts) < 0) return fail(errno, "copy {} of the rootfs", what.directory);
  UniqueFd to(openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!to) return fail(errno, "open the new mount");
  Copier copier(what.directory);
  if (what.content) TRY(copier.tree(from.get(), to.get(), 1));
  if (what.owner && fchown(to.get(), facts.st_uid, facts.st_gid) < 0) return fail(errno, "copy {}", what.directory);
  if (what.content) TRY(copier.attributes(from.get(), to.get()));
  if (what.mode && fchmod(to.get(), facts.st_mode & 07777) < 0) return fail(errno, "copy {}", what.directory);
  const timespec times[] = {facts.st_atim, facts.st_mtim};
  if (what.content && futimens(to.get(), times) < 0) return fail(errno, "copy {}", what.directory);
  return {};
}

}  // namespace minirun
