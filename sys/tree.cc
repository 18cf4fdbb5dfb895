// SPDX-License-Identifier: Apache-2.0
#include "sys/tree.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "sys/directory.h"
#include "sys/fd.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr int kMostLevels = 16;

Result<std::vector<std::string>> names_in(int dirfd) {
  std::vector<std::string> names;
  TRY(for_each_entry(dirfd, ".", [&](const dirent& entry) -> Result<bool> {
    names.emplace_back(static_cast<const char*>(entry.d_name));
    return true;
  }));
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
