// SPDX-License-Identifier: Apache-2.0
#include "cgroups/cgroup.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdint>
#include <string_view>

#include "cgroups/controllers.h"
#include "cgroups/processes.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr int kAttempts = 100;  // another container may remove a shared parent directory between two of our calls

Result<void> check_path(const std::string& path) {
  auto refuse = [&](const char* why) { return fail(ErrorKind::config, EINVAL, "cgroup path \"{}\" {}", path, why); };
  if (!path.starts_with('/')) return refuse("is not absolute");
  if (path == "/") return refuse("is the root: a container needs a cgroup of its own");
  if (path.size() >= PATH_MAX) return refuse("is too long");
  if (path.find('\n') != path.npos || path.find('\0') != path.npos) return refuse("has a newline or a NUL in it");
  for (size_t start = 1; start <= path.size();) {
    size_t end = std::min(path.find('/', start), path.size());
    std::string_view component(path.data() + start, end - start);
    if (component.empty()) return refuse("has an empty component");
    if (component == "." || component == "..") return refuse("has a . or .. component");
    if (component.size() > NAME_MAX) return refuse("has a component that is too long");
    start = end + 1;
  }
  return {};
}

const char* why_not_made(int code) {
  switch (code) {
    case EAGAIN:
      return " (cgroup.max.depth or cgroup.max.descendants of an ancestor is reached)";
    case ENOSPC:
    case ENOMEM:
      return " (the kernel has no room for another cgroup)";
    case EROFS:
      return " (the cgroup2 mount is read-only)";
    case ENOTDIR:
      return " (a component is a control file)";
    default:
      return "";
  }
}

// The directories that this create() has made. Unless it succeeds, those that are still empty are removed, so other
// users of a shared directory are not disturbed.
class NewDirectories {
 public:
  explicit NewDirectories(int root_fd) : root_fd_(root_fd) {}
  NewDirectories(const NewDirectories&) = delete;
  NewDirectories& operator=(const NewDirectories&) = delete;
  ~NewDirectories() { undo(); }

  // Makes all components of the path that are missing.
  Result<void> make(const std::string& path) {
    // Usually only the leaf is missing.
    if (mkdirat(root_fd_, path.c_str() + 1, 0755) == 0) {
      made_.push_back(path.substr(1));
      return {};
    }
    for (int attempt = 1;; ++attempt) {
      auto made = make_each(path);
      if (made || made.error().code != ENOENT || attempt == kAttempts) return made;
      undo();
    }
  }

  // Gives up the right to remove them. Returns how many of the path's last components were made, without a gap.
  uint32_t keep(std::string path) {
    uint32_t count = 0;
    for (auto made = made_.rbegin(); made != made_.rend() && path.substr(1) == *made; ++made, ++count)
      path.resize(path.rfind('/'));
    made_.clear();
    return count;
  }

  bool made(const std::string& path) const { return !made_.empty() && made_.back() == path.substr(1); }

 private:
  // ENOENT: a directory above was removed by another process in the meantime.
  Result<void> make_each(const std::string& path) {
    for (size_t end = 0; end != path.npos;) {
      end = path.find('/', end + 1);
      std::string prefix = path.substr(1, end == path.npos ? end : end - 1);
      if (mkdirat(root_fd_, prefix.c_str(), 0755) == 0) {
        made_.push_back(std::move(prefix));
      } else if (errno != EEXIST) {
        int code = errno == ENODEV ? ENOENT : errno;  // ENODEV: the directory above is just being removed
        return fail(code, "make cgroup /{}{}", prefix, why_not_made(code));
      }
    }
    return {};
  }

  void undo() {
    for (; !made_.empty(); made_.pop_back())
      (void)unlinkat(root_fd_, made_.back().c_str(), AT_REMOVEDIR);  // others may use it by now
  }

  int root_fd_;
  std::vector<std::string> made_;  // relative to the root, the deepest last
};

// The directory itself: nothing mounted over a part of the tree, no symbolic link.
Result<UniqueFd> open_leaf(int root_fd, const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  UniqueFd fd(static_cast<int>(syscall(SYS_openat2, root_fd, path.c_str() + 1, &how, sizeof how)));
  if (!fd)
    return fail(errno, "open cgroup {}{}", path,
                errno == EXDEV ? " (something is mounted over a part of the cgroup tree)" : "");
  return fd;
}

Result<struct stat> status(int fd, const std::string& path) {
  struct stat info {};
  if (fstat(fd, &info) < 0) return fail(errno, "stat cgroup {}", path);
  return info;
}

// An existing cgroup may be used only if it is not in use: processes inside would be limited, and at the end killed,
// with the container.
Result<void> check_unused(int leaf_fd, const struct stat& info, const std::string& path) {
  std::string events = TRY(read_file(leaf_fd, "cgroup.events"));
  if (events.find("populated 1") != events.npos)
    return fail(EEXIST, "cgroup {} is in use by {}", path, describe_processes(leaf_fd));
  if (info.st_nlink > 2)  // kernfs counts child directories only
    return fail(EEXIST, "cgroup {} has child cgroups", path);
  if (events.find("frozen 1") != events.npos) return fail(EEXIST, "cgroup {} is frozen", path);
  return {};
}

Result<UniqueFd> duplicate(const Hierarchy& hierarchy) {
  UniqueFd fd = UniqueFd::duplicate(hierarchy.root.get());
  if (!fd) return fail(errno, "duplicate the descriptor of {}", hierarchy.mount_point);
  return fd;
}

// Between the check of an existing cgroup and the birth of its first process, another minirun may check it too.
// flock(2) admits only one of them; the lock lasts as long as the descriptor, and by then the cgroup has processes.
Result<void> lock(int leaf_fd, const std::string& path) {
  if (syscall(SYS_flock, leaf_fd, LOCK_EX | LOCK_NB) == 0) return {};
  if (errno == EWOULDBLOCK) return fail(EEXIST, "cgroup {} is in use by another minirun", path);
  return fail(errno, "lock cgroup {}", path);
}

struct Leaf {
  UniqueFd fd;
  struct stat info;
};

// The rest of create() after the directories exist: it undoes whatever fails here.
Result<Leaf> prepare(int root_fd, const std::string& path, bool existed, const std::vector<ControllerNeed>& needed) {
  UniqueFd fd = TRY(open_leaf(root_fd, path));
  struct stat info = TRY(status(fd.get(), path));
  if (existed) TRY(check_unused(fd.get(), info, path));  // whose error names the processes
  TRY(lock(fd.get(), path));
  if (existed) TRY(check_unused(fd.get(), info, path));
  if (!needed.empty()) TRY(enable_controllers(root_fd, path, needed));
  return Leaf{std::move(fd), info};
}

}  // namespace

Result<Cgroup> Cgroup::create(const Hierarchy& hierarchy, const std::string& path,
                              const std::vector<ControllerNeed>& needed) {
  TRY(check_path(path));
  UniqueFd root = TRY(duplicate(hierarchy));
  NewDirectories directories(root.get());
  TRY(directories.make(path));
  Leaf leaf = TRY(prepare(root.get(), path, !directories.made(path), needed));
  CgroupRecord record{path, leaf.info.st_dev, leaf.info.st_ino, directories.keep(path)};
  return Cgroup(std::move(root), std::move(leaf.fd), std::move(record));
}

Result<Cgroup> Cgroup::adopt(const Hierarchy& hierarchy, const Adopted& adopted,
                             const std::vector<ControllerNeed>& needed) {
  std::string path = adopted.below.empty() ? adopted.path : fmt::format("{}/{}", adopted.path, adopted.below);
  TRY(check_path(path));
  UniqueFd root = TRY(duplicate(hierarchy));
  NewDirectories directories(root.get());
  if (!adopted.below.empty()) TRY(directories.make(path));
  UniqueFd leaf = TRY(open_leaf(root.get(), path));
  struct stat info = TRY(status(leaf.get(), path));
  if (!adopted.below.empty()) TRY(write_control(leaf.get(), "cgroup.procs", std::to_string(adopted.process)));
  if (!needed.empty()) TRY(enable_controllers(root.get(), path, needed));
  (void)directories.keep(path);
  CgroupRecord record{path, info.st_dev, info.st_ino, adopted.below.empty() ? 1U : 2U};
  return Cgroup(std::move(root), std::move(leaf), std::move(record));
}

Result<CgroupRecord> Cgroup::survey(const Hierarchy& hierarchy, const std::string& path) {
  TRY(check_path(path));
  CgroupRecord record{path, 0, 0, 0};
  struct stat info {};
  for (std::string prefix = path; prefix.size() > 1; prefix.resize(prefix.rfind('/'))) {
    if (fstatat(hierarchy.root.get(), prefix.c_str() + 1, &info, AT_SYMLINK_NOFOLLOW) == 0) break;
    if (errno != ENOENT) return fail(errno, "stat cgroup {}", prefix);
    ++record.made;
  }
  if (record.made == 0) {
    record.device = info.st_dev;
    record.inode = info.st_ino;
  }
  return record;
}

Result<Cgroup> Cgroup::open(const Hierarchy& hierarchy, const CgroupRecord& record) {
  TRY(check_path(record.path));
  UniqueFd root = TRY(duplicate(hierarchy));
  UniqueFd leaf = TRY(open_leaf(root.get(), record.path));
  struct stat info = TRY(status(leaf.get(), record.path));
  if (record.inode != 0 && (info.st_dev != record.device || info.st_ino != record.inode))
    return fail(ESTALE, "cgroup {} is not the one that was made for the container", record.path);
  return Cgroup(std::move(root), std::move(leaf), record);
}

Result<void> Cgroup::kill() const {
  if (is_none()) return {};
  if (record_.inode == 0 && record_.made == 0)
    return fail(EPERM, "kill the processes of cgroup {}: not known to be the container's", record_.path);
  auto written = write_control(leaf_.get(), "cgroup.kill", "1");
  if (written) return {};
  int code = written.error().code;
  bool gone = faccessat(leaf_.get(), "cgroup.procs", F_OK, 0) < 0;
  if (gone && (code == ENOENT || code == ENODEV)) return {};
  return fail(code, "kill the processes of cgroup {} (cgroup.kill, linux 5.14)", record_.path);
}

std::string Cgroup::reached_pids_limit() const {
  if (is_none()) return "";
  auto number = [&](const std::string& file) {
    auto text = read_file(root_.get(), file);
    uint64_t value = UINT64_MAX;  // "max", or no such file
    std::string_view digits = text.ok() ? std::string_view(*text) : std::string_view();
    (void)std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
  };
  for (std::string path = record_.path; !path.empty(); path.resize(path.rfind('/'))) {
    uint64_t limit = number(path.substr(1) + "/pids.max");
    if (limit != UINT64_MAX && number(path.substr(1) + "/pids.current") >= limit)
      return fmt::format("pids.max of cgroup {} is {}", path, limit);
  }
  return "";
}

std::string Cgroup::explain_join(int code) const {
  if (is_none()) return "";
  auto content = [&](const char* file) {
    auto text = read_file(leaf_.get(), file);
    return text ? text->substr(0, text->find('\n')) : std::string();
  };
  switch (code) {
    case EAGAIN:
      return reached_pids_limit();
    case EACCES:
      return fmt::format(
          "moving into cgroup {} requires the right to write its cgroup.procs and that of the closest cgroup above "
          "both "
          "it and minirun's own",
          record_.path);
    case EBUSY:
      return fmt::format("cgroup {} passes controllers on to children ({}), so it cannot have processes itself",
                         record_.path, content("cgroup.subtree_control"));
    case EOPNOTSUPP:
      return fmt::format("cgroup {} is of type \"{}\": an ancestor is threaded", record_.path, content("cgroup.type"));
    case ENODEV:
      return fmt::format("cgroup {} was removed", record_.path);
    default:
      return "";
  }
}

}  // namespace minirun
