// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/init_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <ctime>

#include "sys/directory.h"
#include "sys/file.h"
#include "sys/pidfd.h"
#include "sys/process_stat.h"

namespace minirun {
namespace {

Result<bool> has_descriptors(const std::string& process) {
  bool found = false;
  TRY(for_each_entry(AT_FDCWD, process + "/fd", [&](const dirent&) -> Result<bool> {
    found = true;
    return false;
  }));
  return found;
}

// `run --detach` ends when the workload runs, and the init closes its socket an instant later.
Result<bool> keeps_descriptors(const std::string& process) {
  constexpr int kLooks = 100;
  constexpr timespec kPause{0, 10'000'000};
  for (int look = 1; TRY(has_descriptors(process)); look++) {
    if (look == kLooks) return true;
    (void)nanosleep(&kPause, nullptr);
  }
  return false;
}

}  // namespace

Result<SavedInit> saved_init(pid_t init) {
  std::string process = fmt::format("/proc/{}", init);
  if (TRY(keeps_descriptors(process))) {
    return fail(
        0,
        "minirun's init has a socket to the minirun that supervises it, in another network namespace, which criu "
        "cannot save: use run --detach or --no-init, or create");
  }
  constexpr size_t kMostBytes = size_t{1} << 20;
  UniqueFd program = TRY(open_at(AT_FDCWD, process + "/exe", O_RDONLY));
  struct statx facts {};
  if (statx(program.get(), "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &facts) < 0)
    return fail(errno, "statx {}/exe", process);
  if ((facts.stx_mask & STATX_MNT_ID) == 0)
    return fail(ErrorKind::host, "{}/exe: this kernel does not show its mount", process);
  return SavedInit{fmt::format("file[{:x}:{:x}]", facts.stx_mnt_id, facts.stx_ino),
                   TRY(read_all(program.get(), kMostBytes, "minirun's init"))};
}

Result<pid_t> workload_of(pid_t init) {
  pid_t oldest = 0;
  uint64_t started = 0;
  for (pid_t pid : TRY(all_pids())) {
    auto stat = read_stat(pid);
    if (!stat.ok()) continue;  // it has ended
    uint64_t ticks = stat_field(*stat, kStatStartTime).value_or(0);
    bool child = stat_field(*stat, kStatParent) == static_cast<uint64_t>(init);
    if (!child || (oldest != 0 && ticks >= started)) continue;
    oldest = pid;
    started = ticks;
  }
  return oldest != 0 ? Result<pid_t>(oldest) : Result<pid_t>(fail(ErrorKind::state, "its workload has ended"));
}

}  // namespace minirun
