// SPDX-License-Identifier: Apache-2.0
#include "unpack/target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "sys/file.h"

namespace minirun::unpack {
namespace {

constexpr const char* kRootfs = "rootfs";
constexpr const char* kTrash = "trash";
constexpr const char* kConfig = "config.json";

// What a directory has from the one it was made in would go on to all files of the image: an access control list and
// the set-group-ID bit (acl(5), inode(7)).
Result<void> shed_inheritance(int directory, mode_t mode) {
  for (const char* name : {"system.posix_acl_default", "system.posix_acl_access"})
    if (fremovexattr(directory, name) < 0 && errno != ENODATA && errno != ENOTSUP)
      return fail(errno, "remove {}", name);
  if (fchown(directory, geteuid(), getegid()) < 0) return fail(errno, "change the owner of the new directory");
  if (fchmod(directory, mode) < 0) return fail(errno, "change the mode of the new directory");
  return {};
}

}  // namespace

Result<Target> Target::begin(const std::string& path) {
  Target target;
  target.path_ = path.substr(0, path.find_last_not_of('/') + 1);
  size_t slash = target.path_.rfind('/');
  target.name_ = target.path_.substr(slash == std::string::npos ? 0 : slash + 1);
  if (target.name_.empty() || target.name_ == "." || target.name_ == "..")
    return fail(ErrorKind::usage, "BUNDLE must end with the name of a new directory: found \"{}\"", path);
  target.temporary_ = "." + target.name_ + ".unpacking";
  std::string parent = slash == std::string::npos ? "." : slash == 0 ? "/" : target.path_.substr(0, slash);
  target.parent_ = TRY(open_at(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY));
  struct stat facts {};
  if (fstatat(target.parent_.get(), target.name_.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0)
    return fail(ErrorKind::usage, "{} exists: the bundle must be new", target.path_);
  TRY(target.claim());
  TRY(target.empty());
  TRY(target.make_rootfs());
  return target;
}

Result<void> Target::claim() {
  const char* name = temporary_.c_str();
  if (mkdirat(parent_.get(), name, 0700) < 0 && errno != EEXIST)
    return fail(errno, "make {} beside {}", temporary_, path_);
  UniqueFd directory = TRY(open_at(parent_.get(), temporary_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  struct stat opened {
  }, named{};
  if (fstat(directory.get(), &opened) < 0) return fail(errno, "stat {}", temporary_);
  if (opened.st_uid != geteuid())
    return fail(ErrorKind::host, "{} beside {} must be yours or be gone: user {} owns it", temporary_, path_,
                opened.st_uid);
  if (syscall(SYS_flock, directory.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno == EWOULDBLOCK) return fail(ErrorKind::busy, "{}: another minirun-unpack is making it", path_);
    return fail(errno, "lock {}", temporary_);
  }
  // Until here the other one may have finished, and given it its name.
  if (fstatat(parent_.get(), name, &named, AT_SYMLINK_NOFOLLOW) < 0 || named.st_ino != opened.st_ino)
    return fail(ErrorKind::busy, "{}: another minirun-unpack has made it", path_);
  directory_ = std::move(directory);
  return shed_inheritance(directory_.get(), 0700);
}

Result<UniqueFd> Target::trash_directory() const {
  return open_at(directory_.get(), kTrash, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

// All but the trash, which takes what lies deep.
Result<void> Target::empty() {
  if (mkdirat(directory_.get(), kTrash, 0700) < 0 && errno != EEXIST) return fail(errno, "make {}", kTrash);
  Trash trash(TRY(trash_directory()));
  TRY(trash.remove(directory_.get(), kRootfs));
  TRY(trash.remove(directory_.get(), kConfig));
  return trash.empty();
}

Result<void> Target::make_rootfs() {
  if (mkdirat(directory_.get(), kRootfs, 0755) < 0) return fail(errno, "make {}", kRootfs);
  rootfs_ = TRY(open_at(directory_.get(), kRootfs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY(shed_inheritance(rootfs_.get(), 0755));
  // Many images say nothing of their root; two unpacked trees of one image are equal nonetheless.
  const timespec old[2] = {{0, 0}, {0, 0}};
  if (futimens(rootfs_.get(), old) < 0) return fail(errno, "set the time of {}", kRootfs);
  return {};
}

Result<void> Target::write_config(const std::string& text) {
  UniqueFd file = TRY(open_at(directory_.get(), kConfig, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
  return write_all(file.get(), text, kConfig);
}

Result<void> Target::commit() {
  if (unlinkat(directory_.get(), kTrash, AT_REMOVEDIR) < 0) return fail(errno, "remove {}", kTrash);
  const char* from = temporary_.c_str();
  const char* to = name_.c_str();
  int result = renameat2(parent_.get(), from, parent_.get(), to, RENAME_NOREPLACE);
  if (result < 0 &&
      errno == EINVAL) {  // a filesystem without the flag: rename(2) takes the place of an empty directory
    result = mkdirat(parent_.get(), to, 0700);
    if (result == 0) result = renameat(parent_.get(), from, parent_.get(), to);
  }
  if (result < 0 && errno == EEXIST) return fail(ErrorKind::usage, "{} exists by now: the bundle must be new", path_);
  if (result < 0) return fail(errno, "give the bundle its name {}", path_);
  directory_.reset();
  return {};
}

Result<void> Target::discard() {
  if (!directory_) return {};
  auto emptied = empty();
  UniqueFd directory = std::move(directory_);  // locked until it is gone; once is enough
  TRY(emptied);
  (void)unlinkat(directory.get(), kTrash, AT_REMOVEDIR);  // the next call says if that failed
  if (unlinkat(parent_.get(), temporary_.c_str(), AT_REMOVEDIR) < 0) return fail(errno, "remove {}", temporary_);
  return {};
}

Target::~Target() {
  (void)discard();  // who wants to know why has called it before
}

}  // namespace minirun::unpack
