// SPDX-License-Identifier: Apache-2.0
#include "runtime/container/pid_namespace.h"

#include <sys/stat.h>

#include <cerrno>
#include <optional>

#include "sys/pidfd.h"
#include "sys/transient_error.h"

namespace minirun {
namespace {

struct NamespaceId {
  dev_t device;
  ino_t inode;
  bool operator==(const NamespaceId&) const = default;
};

// Nothing for a process that is gone, or that this user may not inspect: it is in none of this user's containers.
std::optional<NamespaceId> pid_namespace_of(pid_t pid) {
  struct stat info {};
  if (stat(fmt::format("/proc/{}/ns/pid", pid).c_str(), &info) < 0) return std::nullopt;
  return NamespaceId{info.st_dev, info.st_ino};
}

}  // namespace

Result<std::vector<PidNamespaceMember>> pid_namespace_members(pid_t init, int init_pidfd) {
  auto wanted = pid_namespace_of(init);
  bool ended = TRY(has_ended(init_pidfd));
  if (!wanted || ended) return fail(ENOENT, "no process");
  std::vector<PidNamespaceMember> members;
  for (pid_t pid : TRY(all_pids())) {
    if (pid_namespace_of(pid) != wanted) continue;
    auto pidfd = open_pidfd(pid);
    if (!pidfd.ok() && is_transient(pidfd.error().code)) return pidfd.error();
    if (pidfd.ok() && pid_namespace_of(pid) == wanted) members.push_back({pid, std::move(pidfd).value()});
  }
  return members;
}

}  // namespace minirun
