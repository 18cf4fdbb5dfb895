// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/init_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <memory>

#include "sys/file.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

bool has_descriptors(DIR* directory) {
  while (const dirent* entry = readdir(directory))
    if (entry->d_name[0] != '.') return true;
  return false;
}

struct Kinship {
  pid_t parent = 0;
  uint64_t started = 0;  // in ticks since the boot
};

// proc_pid_stat(5): fields 4 and 22, behind the name in parentheses.
Kinship kinship_of(const std::string& stat) {
  Kinship kinship;
  size_t at = stat.rfind(')');
  for (int field = 3; at != std::string::npos && field <= 22; field++) {
    at = stat.find(' ', at + 1);
    if (at == std::string::npos) break;
    const char *first = stat.data() + at + 1, *end = stat.data() + stat.size();
    if (field == 4) std::from_chars(first, end, kinship.parent);
    if (field == 22) std::from_chars(first, end, kinship.started);
  }
  return kinship;
}

}  // namespace

Result<SavedInit> saved_init(pid_t init) {
  std::string process = fmt::format("/proc/{}", init);
  std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir((process + "/fd").c_str()), closedir);
  if (!directory) return fail(errno, "open {}/fd", process);
  if (has_descriptors(directory.get())) {
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
  if ((facts.stx_mask & STATX_MNT_ID) == 0) return fail(0, "{}/exe: this kernel does not tell its mount", process);
  return SavedInit{fmt::format("file[{:x}:{:x}]", facts.stx_mnt_id, facts.stx_ino),
                   TRY(read_all(program.get(), kMostBytes, "minirun's init"))};
}

Result<pid_t> workload_of(pid_t init) {
  pid_t oldest = 0;
  uint64_t started = 0;
  for (pid_t pid : TRY(all_pids())) {
    auto stat = read_file(AT_FDCWD, fmt::format("/proc/{}/stat", pid));
    if (!stat.ok()) continue;  // it has ended
    Kinship kinship = kinship_of(*stat);
    if (kinship.parent != init || (oldest != 0 && kinship.started >= started)) continue;
    oldest = pid;
    started = kinship.started;
  }
  return oldest != 0 ? Result<pid_t>(oldest) : Result<pid_t>(fail(0, "its workload has ended"));
}

}  // namespace minirun
