// SPDX-License-Identifier: Apache-2.0
#include "unpack/tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "sys/directory.h"
#include "sys/file.h"
#include "sys/image_path.h"

namespace minirun::unpack {
namespace {

constexpr int kMostLevelsOfWhiteout = 200;  // each holds a descriptor

Result<void> put_back_time(int directory, const timespec& mtime) {
  const timespec both[2] = {{0, UTIME_OMIT}, mtime};
  if (futimens(directory, both) < 0) return fail(errno, "put back the time of a directory");
  return {};
}

UniqueFd open_directory(int root, const std::string& path) {
  return open_in_image(root, path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_NONBLOCK);
}

}  // namespace

std::string Tree::key_of(ino_t directory, const std::string& name) {
  return std::string(reinterpret_cast<const char*>(&directory), sizeof directory) + name;
}

Result<void> Tree::leave() {
  if (!at_) return {};
  UniqueFd left = std::move(at_);
  return put_back_time(left.get(), at_mtime_);
}

// false: no such directory.
Result<bool> Tree::try_enter(const std::string& directory) {
  if (at_ && at_path_ == directory) return true;
  TRY(leave());
  UniqueFd opened = open_directory(root_, directory);
  if (!opened && errno == ENOENT) return false;
  if (!opened) return fail(errno, "open the directory {}", directory);
  TRY(stand_in(std::move(opened), directory));
  return true;
}

Result<void> Tree::stand_in(UniqueFd opened, const std::string& directory) {
  struct stat facts {};
  if (fstat(opened.get(), &facts) < 0) return fail(errno, "stat {}", directory);
  at_ = std::move(opened);
  at_path_ = directory;
  at_inode_ = facts.st_ino;
  at_inherits_group_ = (facts.st_mode & S_ISGID) != 0;
  at_mtime_ = facts.st_mtim;
  return {};
}

Result<void> Tree::enter(const std::string& directory) {
  if (TRY(try_enter(directory))) return {};
  TRY(make_directories(directory));
  if (!TRY(try_enter(directory))) return fail(ENOENT, "open the directory {}", directory);
  return {};
}

// A layer may name a file without its directories: they are root's, and as old as time. What exists of the path is
// found by halves, and what is made is entered from the directory before it: a path of a thousand names costs no
// million.
Result<void> Tree::make_directories(const std::string& directory) {
  TarEntry made;
  made.type = EntryType::directory;
  made.mode = 0755;
  std::vector<size_t> ends = {0};
  for (size_t at = directory.find('/'); at != std::string::npos; at = directory.find('/', at + 1)) ends.push_back(at);
  ends.push_back(directory.size());
  size_t there = 0, missing = ends.size() - 1;
  while (missing - there > 1) {
    size_t middle = there + (missing - there) / 2;
    (TRY(try_enter(directory.substr(0, ends[middle]))) ? there : missing) = middle;
  }
  if (!TRY(try_enter(directory.substr(0, ends[there])))) return fail(ENOENT, "open the root");
  for (; missing < ends.size(); missing++) {
    std::string path = directory.substr(0, ends[missing]);
    std::string name = path.substr(path.rfind('/') + 1);
    if (mkdirat(at_.get(), name.c_str(), 0700) < 0)
      return fail(errno, "make the directory {}{}", path, errno == EEXIST ? ", where a link leads nowhere" : "");
    own_.insert(key_of(at_inode_, name));
    UniqueFd opened = TRY(open_at(at_.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY(maker_.dress_directory(opened.get(), made));
    TRY(leave());
    TRY(stand_in(std::move(opened), path));
  }
  return {};
}

Result<void> Tree::dress_root(const TarEntry& entry) {
  TRY(leave());
  if (entry.type != EntryType::directory) return fail(ErrorKind::config, "the root must be a directory");
  return maker_.dress_directory(root_, entry);
}

Result<void> Tree::apply(const EntryPath& path, const TarEntry& entry, TarReader& content) {
  switch (path.kind) {
    case EntryKind::ignored:
      return {};
    case EntryKind::root:
      return dress_root(entry);
    case EntryKind::plain:
      return put(path, entry, content);
    case EntryKind::whiteout:
      if (!TRY(try_enter(path.parent))) return {};
      TRY(remove_lower(at_.get(), path.name, 0));
      return leave();  // it may have been on the way to where this is
    case EntryKind::opaque:
      if (!TRY(try_enter(path.parent))) return {};
      TRY(remove_all_lower(at_.get(), 0));
      return leave();
  }
  return {};
}

Result<void> Tree::put(const EntryPath& path, const TarEntry& entry, TarReader& content) {
  TRY(enter(path.parent));
  if (entry.type == EntryType::hard_link) {
    TRY(link(path.name, entry));
  } else {
    NodePlace place{at_.get(), at_inherits_group_, path.name};
    auto made = maker_.make(place, entry, content);
    if (!made.ok() && made.error().code == EEXIST) {
      if (!TRY(take_directory(path.name, entry))) {
        TRY(clear(path.name));
        made = maker_.make(place, entry, content);
      } else {
        made = {};
      }
    }
    TRY(made);
  }
  own_.insert(key_of(at_inode_, path.name));
  return {};
}

// A directory on a directory keeps what is in it. false: this is another case.
Result<bool> Tree::take_directory(const std::string& name, const TarEntry& entry) {
  if (entry.type != EntryType::directory) return false;
  UniqueFd directory(openat(at_.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!directory && (errno == ENOTDIR || errno == ELOOP)) return false;
  if (!directory) return fail(errno, "open the directory");
  TRY(maker_.dress_directory(directory.get(), entry));
  return true;
}

// Makes room for what comes in the place of it. The directory that we are in may lie below it, by a link: it is opened
// anew for the next entry.
Result<void> Tree::clear(const std::string& name) {
  TRY(trash_.remove(at_.get(), name));
  at_path_ += '/';  // no path of an entry ends so
  return {};
}

// linkat(2) without AT_SYMLINK_FOLLOW links to a link itself; a directory is EPERM.
Result<void> Tree::link(const std::string& name, const TarEntry& entry) {
  auto target = parse_entry_path(entry.link);
  if (!target.ok()) return wrap(target.error(), "its target");
  if (target->kind != EntryKind::plain) return fail(ErrorKind::config, "must be a link to a file of the image");
  UniqueFd directory = open_directory(root_, target->parent);
  if (!directory) return fail(errno, "open the directory of its target {}", entry.link);
  struct stat wanted {
  }, present{};
  if (fstatat(directory.get(), target->name.c_str(), &wanted, AT_SYMLINK_NOFOLLOW) < 0)
    return fail(errno, "link to {}", entry.link);
  if (fstatat(at_.get(), name.c_str(), &present, AT_SYMLINK_NOFOLLOW) == 0) {
    if (present.st_ino == wanted.st_ino && present.st_dev == wanted.st_dev) return {};  // rename(2) would say the same
    TRY(clear(name));
  }
  if (linkat(directory.get(), target->name.c_str(), at_.get(), name.c_str(), 0) < 0)
    return fail(errno, "link to {}", entry.link);
  return {};
}

Result<void> Tree::remove_lower(int directory, const std::string& name, int level) {
  struct stat facts {
  }, child_facts{};
  if (fstat(directory, &facts) < 0) return fail(errno, "stat");
  if (!own_.contains(key_of(facts.st_ino, name))) return trash_.remove(directory, name);
  UniqueFd child(openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!child && (errno == ENOTDIR || errno == ELOOP || errno == ENOENT)) return {};
  if (!child) return fail(errno, "open {}", name);
  if (level == kMostLevelsOfWhiteout) return fail(ErrorKind::config, "must not be about a tree that deep");
  if (fstat(child.get(), &child_facts) < 0) return fail(errno, "stat {}", name);
  TRY(remove_all_lower(child.get(), level + 1));
  return put_back_time(child.get(), child_facts.st_mtim);
}

Result<void> Tree::remove_all_lower(int directory, int level) {
  std::vector<std::string> names;
  TRY(for_each_entry(directory, ".", [&](const dirent& entry) -> Result<bool> {
    names.emplace_back(static_cast<const char*>(entry.d_name));
    return true;
  }));
  for (const std::string& name : names) TRY(remove_lower(directory, name, level));
  return {};
}

}  // namespace minirun::unpack
