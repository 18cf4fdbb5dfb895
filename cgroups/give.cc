// SPDX-License-Identifier: Apache-2.0
// Gives a cgroup to a user, who can then make cgroups below it: cgroup-v2.rst, "Delegation"; runtime-spec
// config-linux.md, "Cgroup ownership".
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "cgroups/cgroup.h"
#include "sys/file.h"

namespace minirun {

// The files that every kernel has (the list exists since Linux 4.15).
static constexpr std::string_view kDelegated = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

Result<void> Cgroup::give_to(uint32_t uid) const {
  if (record_.made == 0) return {};
  auto list = read_file(AT_FDCWD, "/sys/kernel/cgroup/delegate");
  std::string files = list.ok() ? *list : std::string(kDelegated);
  constexpr auto kSame = static_cast<gid_t>(-1);
  if (fchown(leaf_.get(), uid, kSame) < 0) return fail(errno, "give cgroup {} to uid {}", record_.path, uid);
  for (size_t start = 0; start < files.size();) {
    size_t end = std::min(files.find('\n', start), files.size());
    std::string name = files.substr(start, end - start);
    start = end + 1;
    if (name.empty() || name.find('/') != name.npos) continue;
    if (fchownat(leaf_.get(), name.c_str(), uid, kSame, AT_SYMLINK_NOFOLLOW) == 0) continue;
    if (errno != ENOENT)  // its controller is not enabled here
      return fail(errno, "give {} of cgroup {} to uid {}", name, record_.path, uid);
  }
  return {};
}

}  // namespace minirun
