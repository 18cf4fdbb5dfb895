#include "cgroups/walk.h"

#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
#include <deque>

#include "sys/fd.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr size_t kMostCgroups = 65536;

// Takes the descriptor. An unreadable directory has no children.
void add_children(UniqueFd fd, const std::string& path, std::deque<std::string>* found) {
  DIR* directory = fdopendir(fd.get());
  if (directory == nullptr) return;
  (void)fd.release();  // closedir closes it
  while (const dirent* entry = readdir(directory)) {
    std::string name = static_cast<const char*>(entry->d_name);
    if (entry->d_type == DT_DIR && name[0] != '.') found->push_back(std::string(path).append("/").append(name));
  }
  closedir(directory);
}

}  // namespace

Result<void> walk_cgroups(int cgroup_fd, const std::function<bool(const std::string& path, int fd)>& visit) {
  std::deque<std::string> waiting{"."};
  for (size_t seen = 1; !waiting.empty(); seen++) {
    if (seen > kMostCgroups) return fail(E2BIG, "look at a tree of more than {} cgroups", kMostCgroups);
    std::string path = std::move(waiting.front());
    waiting.pop_front();
    auto fd = open_at(cgroup_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!fd.ok() && (fd.error().code == ENOENT || fd.error().code == ENODEV)) continue;
    if (!fd.ok()) return fd.error();
    if (visit(path, fd->get())) add_children(std::move(fd).value(), path, &waiting);
  }
  return {};
}

}  // namespace minirun
