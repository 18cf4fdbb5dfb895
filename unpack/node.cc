// SPDX-License-Identifier: Apache-2.0
#include "unpack/node.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "sys/fd.h"
#include "unpack/interrupt.h"

namespace minirun::unpack {
namespace {

constexpr mode_t kSpecialBits = S_ISUID | S_ISGID | S_ISVTX;

struct Times {
  explicit Times(const TarEntry& entry) : both{{0, UTIME_OMIT}, {entry.mtime, entry.mtime_ns}} {}
  timespec both[2];
};

// An image's author must not choose a label of this host's security module (security.selinux, security.SMACK64), nor
// what an overlay takes for its own (trusted.overlay.*), nor what new files in a directory inherit
// (system.posix_acl_default).
bool may_have(const std::string& xattr) {
  return xattr.starts_with("user.") || xattr == "security.capability" || xattr == "security.ima";
}

}  // namespace

Result<void> NodeMaker::own(int fd, const char* name, int flags, const TarEntry& entry) {
  if (rights_.owners) {
    if (fchownat(fd, name, entry.uid, entry.gid, flags) == 0) return {};
    if (errno != EINVAL) return fail(errno, "change the owner to {}:{}", entry.uid, entry.gid);
  } else if (entry.uid == 0 && entry.gid == 0) {
    return {};
  }
  notes_.add(Omission::owner, entry.path);  // EINVAL: not mapped in this user namespace (chown(2))
  return {};
}

// By descriptor where that is open for reading or writing; else by a path whose last name is not followed.
Result<void> NodeMaker::add_xattrs(const std::string& path, bool is_own_descriptor, int fd, const TarEntry& entry) {
  for (const auto& [name, value] : entry.xattrs) {
    bool done = may_have(name) &&
                (is_own_descriptor ? fsetxattr(fd, name.c_str(), value.data(), value.size(), 0)
                                   : lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0)) == 0;
    if (done) continue;
    // xattr(7): EPERM where the type of file has none, or a security.* one without root; ENOTSUP of the filesystem.
    if (may_have(name) && errno != EPERM && errno != ENOTSUP) return fail(errno, "set the attribute {}", name);
    notes_.add(Omission::xattr, entry.path + " " + name);
  }
  return {};
}

Result<void> NodeMaker::write_content(int file, const TarEntry& entry, TarReader& content) {
  if (entry.size > limits_.entry_size)
    return fail(ErrorKind::config, "must have at most {} bytes (--max-entry-size): found {}", limits_.entry_size,
                entry.size);
  usage_.written += entry.size;
  if (usage_.written > limits_.size)
    return fail(ErrorKind::config, "the files of the image must have at most {} bytes together (--max-size)",
                limits_.size);
  uint64_t end = 0;
  while (true) {
    TarBlock block = TRY(content.next_block());
    if (block.data.empty()) break;
    TRY(unless_interrupted());
    end = block.offset + block.data.size();
    if (block.offset > entry.size || block.data.size() > entry.size - block.offset)
      return fail(ErrorKind::config, "must have {} bytes, as its header says: it has more", entry.size);
    while (!block.data.empty()) {
      ssize_t n = pwrite(file, block.data.data(), block.data.size(), static_cast<off_t>(block.offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail(errno, "write");
      block.data.remove_prefix(static_cast<size_t>(n));
      block.offset += static_cast<uint64_t>(n);
    }
  }
  if (end != entry.size && ftruncate(file, static_cast<off_t>(entry.size)) < 0) return fail(errno, "set the size");
  return {};
}

// Most files belong to root and have no special bits: their mode is right from the start, and two calls are saved.
Result<void> NodeMaker::make_file(const NodePlace& place, const TarEntry& entry, TarReader& content) {
  bool plain =
      entry.uid == geteuid() && entry.gid == getegid() && (entry.mode & kSpecialBits) == 0 && !place.inherits_group;
  UniqueFd file(openat(place.directory, place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       plain ? entry.mode : 0600));
  if (!file) return fail(errno, "make the file");
  TRY(write_content(file.get(), entry, content));
  if (!plain) {  // chown(2) takes away set-user-ID and capabilities, so the owner comes first
    TRY(own(file.get(), "", AT_EMPTY_PATH, entry));
    if (fchmod(file.get(), entry.mode) < 0) return fail(errno, "change the mode");
  }
  TRY(add_xattrs("", true, file.get(), entry));
  if (futimens(file.get(), Times(entry).both) < 0) return fail(errno, "set the time");
  return {};
}

Result<void> NodeMaker::dress_directory(int directory, const TarEntry& entry) {
  TRY(own(directory, "", AT_EMPTY_PATH, entry));
  if (fchmod(directory, entry.mode) < 0) return fail(errno, "change the mode");
  TRY(add_xattrs("", true, directory, entry));
  if (futimens(directory, Times(entry).both) < 0) return fail(errno, "set the time");
  return {};
}

// What cannot be opened: links, devices, FIFOs.
Result<void> NodeMaker::dress_at(const NodePlace& place, const TarEntry& entry) {
  const char* name = place.name.c_str();
  TRY(own(place.directory, name, AT_SYMLINK_NOFOLLOW, entry));
  // It was made a moment ago, and is no link.
  if (entry.type != EntryType::symlink && fchmodat(place.directory, name, entry.mode, 0) < 0)
    return fail(errno, "change the mode");
  if (!entry.xattrs.empty())
    TRY(add_xattrs(fmt::format("/proc/self/fd/{}/{}", place.directory, place.name), false, -1, entry));
  if (utimensat(place.directory, name, Times(entry).both, AT_SYMLINK_NOFOLLOW) < 0) return fail(errno, "set the time");
  return {};
}

Result<void> NodeMaker::make_special(const NodePlace& place, const TarEntry& entry) {
  const char* name = place.name.c_str();
  switch (entry.type) {
    case EntryType::symlink:
      if (symlinkat(entry.link.c_str(), place.directory, name) < 0) return fail(errno, "make the link");
      return dress_at(place, entry);
    case EntryType::fifo:
      if (mkfifoat(place.directory, name, 0600) < 0) return fail(errno, "make the FIFO");
      return dress_at(place, entry);
    case EntryType::character:
    case EntryType::block: {
      if (!rights_.devices) {
        notes_.add(Omission::device, entry.path);
        return {};
      }
      mode_t type = entry.type == EntryType::block ? S_IFBLK : S_IFCHR;
      dev_t device = makedev(entry.device_major, entry.device_minor);
      if (mknodat(place.directory, name, type | 0600, device) == 0) return dress_at(place, entry);
      if (errno != EPERM) return fail(errno, "make the device node");
      notes_.add(Omission::device, entry.path);  // root without CAP_MKNOD
      return {};
    }
    default:
      return fail(ErrorKind::config, "must be a file, a directory, a link, a device or a FIFO");
  }
}

Result<void> NodeMaker::make(const NodePlace& place, const TarEntry& entry, TarReader& content) {
  if (entry.type == EntryType::regular) return make_file(place, entry, content);
  if (entry.type != EntryType::directory) return make_special(place, entry);
  if (mkdirat(place.directory, place.name.c_str(), 0700) < 0) return fail(errno, "make the directory");
  UniqueFd made(openat(place.directory, place.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!made) return fail(errno, "open the directory");
  return dress_directory(made.get(), entry);
}

}  // namespace minirun::unpack
