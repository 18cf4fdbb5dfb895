#include "cgroups/walk.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "sys/fd.h"
#include "sys/file.h"

namespace minirun {
namespace {

// An unreadable directory has no children.
std::vector<std::string> children_of(int cgroup_fd) {
  std::vector<std::string> names;
  auto again = open_at(cgroup_fd, ".", O_RDONLY | O_DIRECTORY);  // its own position, for reading the directory
  std::unique_ptr<DIR, int (*)(DIR*)> directory(again ? fdopendir(again->get()) : nullptr, closedir);
  if (!directory) return names;
  (void)again->release();  // closedir closes it
  while (const dirent* entry = readdir(directory.get()))
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  return names;
}

bool has_gone(const Error& error) {
  return error.code == ENOENT || error.code == ENODEV;
}

// Down by a name and up by "..": a path of names can be longer than the kernel takes one, and a descriptor for each
// level would be too many. cgroup2 renames nothing, so ".." leads to where the walk came from, also from a removed
// directory.
class Walker {
 public:
  Walker(const WalkLimits& limits, const std::function<bool(const std::string& path, int fd)>& visit)
      : limits_(limits), visit_(visit) {}

  Result<void> walk(int cgroup_fd) {
    auto top = open_at(cgroup_fd, ".", O_RDONLY | O_DIRECTORY);
    if (!top.ok()) return has_gone(top.error()) ? Result<void>() : Result<void>(top.error());
    enter(std::move(*top), limits_.most);
    while (!levels_.empty()) {
      Level& level = levels_.back();
      if (level.names.empty()) {
        TRY(leave());
      } else if (level.left == 0) {
        if (limits_.huge == HugeTree::refuse)
          return fail(E2BIG, "look at a tree of more than {} cgroups", limits_.most);
        level.names.clear();
      } else {
        TRY(next());
      }
    }
    return {};
  }

 private:
  struct Level {
    std::vector<std::string> names;  // those below that have not been visited
    size_t left;                     // how many may be visited here and below
  };

  void enter(UniqueFd cgroup, size_t share) {
    here_ = std::move(cgroup);
    bool goes_on = visit_(path_, here_.get());
    levels_.push_back({goes_on ? children_of(here_.get()) : std::vector<std::string>(), share - 1});
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
    if (!cgroup.ok() && (has_gone(cgroup.error()) || (in_part && cgroup.error().code == EACCES))) return {};
    if (!cgroup.ok()) return cgroup.error();
    level.left -= share;
    path_.append("/").append(name);
    enter(std::move(*cgroup), share);
    return {};
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
