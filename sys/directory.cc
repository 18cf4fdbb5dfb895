// SPDX-License-Identifier: Apache-2.0
#include "sys/directory.h"

#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "sys/fd.h"
#include "sys/file.h"

namespace minirun {

Result<void> for_each_entry(int dirfd, const std::string& path,
                            const std::function<Result<bool>(const dirent& entry)>& visit) {
  auto failed = [&path] { return fail(errno, "read {}", path == "." ? "a directory" : path); };
  UniqueFd opened = TRY(open_at(dirfd, path, O_RDONLY | O_DIRECTORY));
  std::unique_ptr<DIR, int (*)(DIR*)> directory(fdopendir(opened.get()), closedir);
  if (!directory) return failed();
  (void)opened.release();  // the stream owns it now
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(directory.get());
    if (entry == nullptr && errno != 0) return failed();
    if (entry == nullptr) return {};
    std::string_view name = static_cast<const char*>(entry->d_name);
    if (name == "." || name == "..") continue;
    if (!TRY(visit(*entry))) return {};
  }
}

}  // namespace minirun
