// SPDX-License-Identifier: Apache-2.0
#include "unpack/removal.h"

#include <sys/stat.h>

#include <cerrno>
#include <vector>

#include "sys/directory.h"
#include "sys/file.h"

namespace minirun::unpack {
namespace {

constexpr int kLevelsAtOnce = 64;  // each holds a descriptor and its names

Result<std::vector<std::string>> names_below(int directory) {
  std::vector<std::string> names;
  TRY(for_each_entry(directory, ".", [&](const dirent& entry) -> Result<bool> {
    names.emplace_back(static_cast<const char*>(entry.d_name));
    return true;
  }));
  return names;
}

// A directory that its owner may not enter (mode 0): an ordinary user without a user namespace has no other way in.
Result<UniqueFd> open_to_empty(int dirfd, const std::string& name) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  auto opened = open_at(dirfd, name, kFlags);
  if (!opened.ok() && opened.error().code != EACCES) return opened;
  struct stat facts {};
  bool closed = !opened.ok() || (fstat(opened->get(), &facts) == 0 && (facts.st_mode & S_IRWXU) != S_IRWXU);
  if (!closed) return opened;
  // It was no link a moment ago, and nothing else works in this tree. The next open says what came of it.
  (void)!fchmodat(dirfd, name.c_str(), S_IRWXU, 0);
  return open_at(dirfd, name, kFlags);
}

}  // namespace

Result<void> Trash::remove(int dirfd, const std::string& name) {
  TRY(remove_level(dirfd, name, 0));
  return used_ ? empty() : Result<void>();
}

Result<void> Trash::remove_level(int dirfd, const std::string& name, int level) {
  if (unlinkat(dirfd, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR) return fail(errno, "remove {}", name);
  if (level == kLevelsAtOnce) {
    used_ = true;
    if (renameat(dirfd, name.c_str(), directory_.get(), std::to_string(++number_).c_str()) < 0)
      return fail(errno, "move {} to be removed", name);
    return {};
  }
  {
    UniqueFd directory = TRY(open_to_empty(dirfd, name));
    for (const std::string& child : TRY(names_below(directory.get())))
      TRY(remove_level(directory.get(), child, level + 1));
  }
  if (unlinkat(dirfd, name.c_str(), AT_REMOVEDIR) < 0) return fail(errno, "remove {}", name);
  return {};
}

// What is removed from here may leave deeper parts here: each time they are 64 levels less deep.
Result<void> Trash::empty() {
  while (true) {
    auto names = TRY(names_below(directory_.get()));
    if (names.empty()) break;
    for (const std::string& name : names) TRY(remove_level(directory_.get(), name, 0));
  }
  used_ = false;
  return {};
}

}  // namespace minirun::unpack
