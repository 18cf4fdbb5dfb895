// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/init_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <ctime>

#include "runtime/container/end_page.h"
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

// How criu names a file that is on no mount of the container (criu(8), "--external file").
Result<std::string> name_of_file(int fd, const std::string& path) {
  struct statx facts {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &facts) < 0) return fail(errno, "statx {}", path);
  if ((facts.stx_mask & STATX_MNT_ID) == 0)
    return fail(ErrorKind::host, "{}: this kernel does not show its mount", path);
  return fmt::format("file[{:x}:{:x}]", facts.stx_mnt_id, facts.stx_ino);
}

// The page of its end as the init maps it: the number of its mount is that of minirun's mount namespace of then. "": it
// maps none (proc_pid_map_files(5)).
Result<std::string> name_of_end_page(const std::string& process, int state_fd) {
  auto page = open_end_page(state_fd);
  if (!page.ok() && page.error().code == ENOENT) return std::string();
  if (!page.ok()) return page.error();
  const std::string mappings = process + "/map_files";
  std::string name;
  auto look = [&](const dirent& entry) -> Result<bool> {
    const std::string path = mappings + "/" + static_cast<const char*>(entry.d_name);
    auto file = open_at(AT_FDCWD, path, O_PATH);
    if (!file.ok() || !TRY(is_same_file(file->get(), page->get()))) return true;
    name = TRY(name_of_file(file->get(), path));
    return false;
  };
  TRY(for_each_entry(AT_FDCWD, mappings, look));
  return name;
}

}  // namespace

Result<SavedInit> saved_init(pid_t init, int state_fd) {
  std::string process = fmt::format("/proc/{}", init);
  if (TRY(keeps_descriptors(process))) {
    return fail(
        0,
        "minirun's init has a socket to the minirun that supervises it, in another network namespace, which criu "
        "cannot save: use run --detach or --no-init, or create");
  }
  constexpr size_t kMostBytes = size_t{1} << 20;
  UniqueFd program = TRY(open_at(AT_FDCWD, process + "/exe", O_RDONLY));
  std::string name = TRY(name_of_file(program.get(), process + "/exe"));
  return SavedInit{std::move(name), TRY(read_all(program.get(), kMostBytes, "minirun's init")),
                   TRY(name_of_end_page(process, state_fd))};
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
