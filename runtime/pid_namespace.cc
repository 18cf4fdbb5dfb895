#include "runtime/pid_namespace.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include "sys/pidfd.h"

namespace minirun {
namespace {

struct NamespaceId {
  dev_t device;
  ino_t inode;
  bool operator==(const NamespaceId&) const = default;
};

// Nothing for a process that is gone, or that this user may not look at: it is nobody's of this user's containers.
std::optional<NamespaceId> pid_namespace_of(pid_t pid) {
  struct stat info {};
  if (stat(fmt::format("/proc/{}/ns/pid", pid).c_str(), &info) < 0) return std::nullopt;
  return NamespaceId{info.st_dev, info.st_ino};
}

Result<std::vector<pid_t>> all_pids() {
  std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc"), closedir);
  if (!directory) return fail(errno, "read /proc");
  std::vector<pid_t> pids;
  while (const dirent* entry = readdir(directory.get())) {
    std::string_view name = static_cast<const char*>(entry->d_name);
    pid_t pid = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size()) pids.push_back(pid);
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

}  // namespace

Result<std::vector<PidNamespaceMember>> pid_namespace_members(pid_t init, int init_pidfd) {
  auto wanted = pid_namespace_of(init);
  bool ended = TRY(await_end(init_pidfd, std::chrono::steady_clock::time_point()));
  if (!wanted || ended) return fail(ENOENT, "no process");
  std::vector<PidNamespaceMember> members;
  for (pid_t pid : TRY(all_pids())) {
    if (pid_namespace_of(pid) != wanted) continue;
    UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (pidfd && pid_namespace_of(pid) == wanted) members.push_back({pid, std::move(pidfd)});
  }
  return members;
}

}  // namespace minirun
