// SPDX-License-Identifier: Apache-2.0
#include "sys/image_path.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "sys/kernel_abi.h"

namespace minirun {
namespace {

constexpr int kMostLinks = 40;  // MAXSYMLINKS of the kernel
constexpr int kMostTries = 32;

UniqueFd open_scoped(int dirfd, const char* path, int flags, uint64_t resolve) {
  abi::OpenHow how{static_cast<uint64_t>(flags | O_CLOEXEC), 0, resolve | abi::kResolveNoMagiclinks};
  return UniqueFd(static_cast<int>(syscall(SYS_openat2, dirfd, path, &how, sizeof how)));
}

class Walk {
 public:
  Walk(int root_fd, const char* path, int flags) : root_(root_fd), rest_(path), flags_(flags) {}

  UniqueFd run() {
    if (rest_.empty()) return refuse(ENOENT);
    if (rest_.size() >= PATH_MAX) return refuse(ENAMETOOLONG);
    for (;;) {
      rest_.erase(0, std::min(rest_.find_first_not_of('/'), rest_.size()));
      if (rest_.empty()) return UniqueFd(openat(here(), ".", flags_ | O_CLOEXEC));
      const std::string name = rest_.substr(0, rest_.find('/'));
      rest_.erase(0, name.size());
      if (name == ".") continue;
      if (name == "..") {
        if (!above_.empty()) above_.pop_back();
        continue;
      }
      if (name.size() > NAME_MAX) return refuse(ENAMETOOLONG);
      std::optional<UniqueFd> end = enter(name);
      if (end) return std::move(*end);
    }
  }

 private:
  static UniqueFd refuse(int code) {
    errno = code;
    return UniqueFd();
  }
  int here() const { return above_.empty() ? root_ : above_.back().get(); }

  // Nothing: the walk continues.
  std::optional<UniqueFd> enter(const std::string& name) {
    UniqueFd found(openat(here(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat facts {};
    if (!found || fstat(found.get(), &facts) < 0) return UniqueFd();
    const bool last = rest_.empty();
    if (S_ISLNK(facts.st_mode) && !(last && (flags_ & O_NOFOLLOW) != 0)) return follow(name, found.get());
    if (S_ISDIR(facts.st_mode) && !last) {
      above_.push_back(std::move(found));
      return std::nullopt;
    }
    if (!last) return refuse(ENOTDIR);
    UniqueFd end(openat(here(), name.c_str(), flags_ | O_NOFOLLOW | O_CLOEXEC));
    if (!end) return end;
    // It may have become a link: with O_PATH the kernel opens the link itself.
    struct stat opened {};
    if (fstat(end.get(), &opened) < 0) return UniqueFd();
    if (S_ISLNK(opened.st_mode) && (flags_ & O_NOFOLLOW) == 0) return follow(name, end.get());
    return end;
  }

  std::optional<UniqueFd> follow(const std::string& name, int link_fd) {
    if (++links_ > kMostLinks) return refuse(ELOOP);
    struct statfs system {};
    if (fstatfs(link_fd, &system) < 0) return UniqueFd();
    // Only the kernel knows which links of a procfs lead to an object instead of to a name (proc_pid_fd(5)).
    if (system.f_type == PROC_SUPER_MAGIC) {
      UniqueFd tried = open_scoped(here(), name.c_str(), O_PATH, abi::kResolveBeneath);
      if (!tried && errno == ELOOP) return tried;
    }
    char text[PATH_MAX];
    const ssize_t length = readlinkat(link_fd, "", text, sizeof text);
    if (length < 0) return UniqueFd();
    if (length == 0) return refuse(ENOENT);
    rest_.insert(0, text, static_cast<size_t>(length));
    if (text[0] == '/') above_.clear();
    return std::nullopt;
  }

  int root_;
  std::string rest_;  // what is still to be walked
  int flags_;
  int links_ = 0;
  std::vector<UniqueFd> above_;  // the directories from below the root to here
};

}  // namespace

UniqueFd walk_in_image(int root_fd, const char* path, int flags) {
  return Walk(root_fd, path, flags).run();
}

UniqueFd open_in_image(int root_fd, const char* path, int flags) {
  for (int i = 0; i < kMostTries; ++i) {
    UniqueFd fd = open_scoped(root_fd, path, flags, abi::kResolveInRoot);
    if (fd || errno != EAGAIN) return fd;
  }
  return walk_in_image(root_fd, path, flags);
}

}  // namespace minirun
