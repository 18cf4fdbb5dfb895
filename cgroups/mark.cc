// SPDX-License-Identifier: Apache-2.0
// Marks a cgroup with its container, to find it when the container's record cannot be read. The mark is an extended
// attribute, which disappears with the cgroup. A container cannot write "trusted." attributes, but neither can a
// minirun without CAP_SYS_ADMIN in the first user namespace, which uses "user." (xattr(7); cgroup2 since Linux 5.7).
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "cgroups/cgroup.h"
#include "cgroups/walk.h"

namespace minirun {
namespace {

constexpr const char* kNames[] = {"trusted.minirun", "user.minirun"};
constexpr size_t kMarkBytes = 1024;
constexpr WalkLimits kWholeHost{HugeTree::see_in_part, 1 << 18};

// The mark's text, "" without one. The container may have written a "user." mark, as owner of the cgroup. A text longer
// than any mark names no owner that minirun knows.
std::string read_mark(int cgroup_fd) {
  char text[kMarkBytes];
  for (const char* name : kNames) {
    ssize_t n = fgetxattr(cgroup_fd, name, text, sizeof text);
    if (n > 0) return {text, static_cast<size_t>(n)};
    if (n < 0 && errno == ERANGE) return "0 ";
  }
  return "";
}

// Follows the number of directories that were made: "2 web 26:1".
std::string_view owner_in(std::string_view mark) {
  size_t blank = mark.find(' ');
  return blank == mark.npos ? std::string_view() : mark.substr(blank + 1);
}

}  // namespace

Result<void> Cgroup::mark(const std::string& owner) const {
  if (record_.made == 0) return {};
  std::string text = fmt::format("{} {}", record_.made, owner);
  if (text.size() > kMarkBytes) return fail(ENAMETOOLONG, "mark cgroup {}", record_.path);
  for (const char* name : kNames)
    if (fsetxattr(leaf_.get(), name, text.data(), text.size(), 0) == 0) return {};
  return fail(errno, "mark cgroup {}", record_.path);
}

bool Cgroup::is_marked_by_another(const std::string& owner) const {
  std::string mark = read_mark(leaf_.get());
  return !mark.empty() && owner_in(mark) != owner;
}

Result<std::vector<Cgroup>> Cgroup::find_marked(const Hierarchy& hierarchy, const std::string& owner) {
  std::vector<CgroupRecord> records;
  TRY(walk_cgroups(hierarchy.root.get(), kWholeHost, [&](const std::string& path, int fd) {
    std::string mark = read_mark(fd);
    if (mark.empty()) return true;
    uint32_t made = 0;
    auto [end, error] = std::from_chars(mark.data(), mark.data() + mark.size(), made);
    struct stat info {};
    bool same = error == std::errc{} && *end == ' ' && owner_in(mark) == owner && path.size() < PATH_MAX;
    auto levels = std::count(path.begin(), path.end(), '/');  // a higher number was never made
    if (same && made > 0 && made <= levels && fstat(fd, &info) == 0)
      records.push_back({path.substr(1), info.st_dev, info.st_ino, made});
    return false;  // what is below belongs to that container
  }));
  std::vector<Cgroup> found;
  for (const CgroupRecord& record : records) {
    auto cgroup = open(hierarchy, record);
    if (cgroup.ok())
      found.push_back(std::move(cgroup).value());
    else if (cgroup.error().code != ENOENT && cgroup.error().code != ESTALE)
      return cgroup.error();
  }
  return found;
}

}  // namespace minirun
