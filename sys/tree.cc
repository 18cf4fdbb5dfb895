#include "sys/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "sys/fd.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr int kMostLevels = 16;

Result<std::vector<std::string>> names_in(int dirfd) {
  UniqueFd copy = TRY(open_at(dirfd, ".", O_RDONLY | O_DIRECTORY));  // a position of its own
  std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(copy.get()), closedir);
  if (!directory) return fail(errno, "read a directory");
  (void)copy.release();  // the stream owns it now
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory.get())) {
    std::string_view name = static_cast<const char*>(entry->d_name);
    if (name != "." && name != "..") names.emplace_back(name);
  }
  return names;
}

Result<void> remove_contents(int dirfd, std::string_view except, int levels);

Result<void> remove_one(int dirfd, const std::string& name, int levels) {
  if (unlinkat(dirfd, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR) return fail(errno, "remove {}", name);
  if (levels == 0) return fail(ELOOP, "remove {}", name);
  auto directory = open_at(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!directory.ok() && directory.error().code == ENOENT) return {};
  if (!directory.ok()) return directory.error();
  TRY(remove_contents(directory->get(), "", levels - 1));
  if (unlinkat(dirfd, name.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT) return fail(errno, "remove {}", name);
  return {};
}

Result<void> remove_contents(int dirfd, std::string_view except, int levels) {
  for (const std::string& name : TRY(names_in(dirfd)))
    if (name != except) TRY(remove_one(dirfd, name, levels));
  return {};
}

}  // namespace

Result<void> remove_below(int dirfd, std::string_view except) {
  return remove_contents(dirfd, except, kMostLevels);
}

Result<void> remove_entry(int dirfd, const std::string& name) {
  return remove_one(dirfd, name, kMostLevels);
}

}  // namespace minirun
