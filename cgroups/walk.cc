// SPDX-License-Identifier: Apache-2.0
#include "cgroups/walk.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "sys/directory.h"
#include "sys/fd.h"
#include "sys/file.h"

namespace minirun {
namespace {

bool has_gone(const Error& error) {
  return error.code == ENOENT || error.code == ENODEV;
}

Result<std::vector<std::string>> children_of(int cgroup_fd) {
  std::vector<std::string> names;
  TRY(for_each_entry(cgroup_fd, ".", [&](const dirent& entry) -> Result<bool> {
    if (entry.d_type == DT_DIR) names.emplace_back(static_cast<const char*>(entry.d_name));
    return true;
  }));
  return names;
}

// Goes down by a name and up by "..": a path of names can exceed the kernel's limit, and a descriptor for each level
// would be too many. cgroup2 renames nothing, so ".." leads back, even from a removed directory.
class Walker {
 public:
  Walker(const WalkLimits& limits, const std::function<bool(const std::string& path, int fd)>& visit)
      : limits_(limits), visit_(visit) {}

  Result<void> walk(int cgroup_fd) {
    auto top = open_at(cgroup_fd, ".", O_RDONLY | O_DIRECTORY);
    if (!top.ok()) return has_gone(top.error()) ? Result<void>() : Result<void>(top.error());
    TRY(enter(std::move(*top), limits_.most));
    while (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.names.empty()) {
        TRY(leave());
      } else if (level.left == 0) {
        if (limits_.huge == HugeTree::refuse) return fail(E2BIG, "walk a tree of more than {} cgroups", limits_.most);
        level.names.clear();
      } else {
        TRY(next());
      }
    }
    return {};
  }

 private:
  struct Level {
    std::vector<std::string> names;  // unvisited children
    size_t left;                     // how many may be visited here and below
  };

  Result<void> enter(UniqueFd cgroup, size_t share) {
    here_ = std::move(cgroup);
    std::vector<std::string> names;
    if (visit_(path_, here_.get())) {
      auto children = children_of(here_.get());
      if (!children.ok() && !is_passed_over(children.error())) return children.error();
      if (children.ok()) names = std::move(*children);
    }
    levels_.push_back({std::move(names), share - 1});
    return {};
  }

  // Whether to skip it: it is gone, or, in a tree that is seen in part, it is not accessible.
  bool is_passed_over(const Error& error) const {
    return has_gone(error) || (limits_.huge == HugeTree::see_in_part && error.code == EACCES);
  }

  Result<void> leave() {
    size_t unused = levels_.back().left;
    levels_.pop_back();
    if (levels_.empty()) return {};
    levels_.back().left += unused;
    path_.resize(path_.rfind('/'));
    here_ = TRY(open_at(here_.get(), "..", O_PATH | O_DIRECTORY));
    return {};
  }

  Result<void> next() {
    Level& level = levels_.back();
    const bool in_part = limits_.huge == HugeTree::see_in_part;
    const size_t share = in_part ? std::max<size_t>(level.left / level.names.size(), 1) : level.left;
    std::string name = std::move(level.names.back());
    level.names.pop_back();
    auto cgroup = open_at(here_.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!cgroup.ok()) return is_passed_over(cgroup.error()) ? Result<void>() : Result<void>(cgroup.error());
    level.left -= share;
    path_.append("/").append(name);
    return enter(std::move(*cgroup), share);
  }

  const WalkLimits& limits_;
  const std::function<bool(const std::string& path, int fd)>& visit_;
  std::string path_ = ".";
  UniqueFd here_;
  std::vector<Level> levels_;  // from the top to here
};

}  // namespace

Result<void> walk_cgroups(int cgroup_fd, const WalkLimits& limits,
                          const std::function<bool(const std::string& path, int fd)>& visit) {
  return Walker(limits, visit).walk(cgroup_fd);
}

}  // namespace minirun
