// SPDX-License-Identifier: Apache-2.0
// What can be known of a process without its help. Reads only what takes no lock of its memory and asks no filesystem
// of it, since either may never answer: stat, status, limits, wchan, the number of its descriptors and the names of
// /proc/PID/fd/N (proc(5)). Never cmdline, environ or maps, and never stat(2) through fd/N.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace minirun {

// Of /proc/PID/stat (proc_pid_stat(5)).
struct ProcessStat {
  std::string name;  // the kernel's comm, at most 15 bytes, of any content
  char state = '?';
  pid_t parent = 0;
  uint64_t cpu_ticks = 0;  // user and system, of all its threads, 10 ms each
  uint64_t threads = 0;
  uint64_t start_ticks = 0;  // since boot: distinguishes it from a later process of the same number
  uint64_t resident_bytes = 0;
};

// Of /proc/PID/status (proc_pid_status(5)). A set of signals has bit N-1 for signal N.
struct ProcessStatus {
  uint32_t uid = 0;
  pid_t tracer = 0;
  pid_t innermost_pid = 0;  // in its own pid namespace
  uint64_t blocked = 0;
  uint64_t ignored = 0;
  uint64_t caught = 0;
  uint64_t sleeps = 0;  // voluntary context switches of its first thread
};

struct OpenFiles {
  uint64_t open = 0;
  std::optional<uint64_t> limit{};  // RLIMIT_NOFILE, soft; absent: unlimited or not known
  // By the names of its descriptors, as far as they were read.
  uint64_t sockets = 0;
  uint64_t pipes = 0;
  bool waits_by_epoll = false;
};

struct ProcessFacts {
  pid_t pid = 0;
  ProcessStat stat{};
  std::optional<ProcessStatus> status{};
  std::optional<OpenFiles> files{};
  std::string wait_channel{};  // of its first thread: a function of the kernel, "" if it does not wait or not known
  bool partly = false;         // something of it could not be read, though it lives
  bool cut = false;            // it has more than kMostDescriptors: the names of the others were not read
};

enum class Detail : uint8_t {
  counts,  // stat, and how many descriptors of how many
  all,     // everything
};

// The most descriptors of one process whose names are read.
inline constexpr size_t kMostDescriptors = 4096;

// ESRCH or ENOENT: it is gone. What cannot be read is absent.
Result<ProcessFacts> look_at_process(pid_t pid, Detail detail);

// Appends its children, zombies included: a cgroup does not list those. A process of several threads has a list for
// each; reads those of at most kMostThreads. ENOENT, also for a live process: the kernel has no such lists
// (CONFIG_PROC_CHILDREN).
inline constexpr size_t kMostThreads = 256;
Result<void> add_children(const ProcessFacts& process, std::vector<pid_t>* children);

// Nothing: no such text.
std::optional<ProcessStat> parse_process_stat(std::string_view text);
std::optional<ProcessStatus> parse_process_status(std::string_view text);
// The soft limit "Max open files" in /proc/PID/limits.
std::optional<uint64_t> parse_open_files_limit(std::string_view text);

// Whether both are one process.
inline bool is_same(const ProcessFacts& one, const ProcessFacts& other) {
  return one.pid == other.pid && one.stat.start_ticks == other.stat.start_ticks;
}

// "node (24)", safe to print.
std::string shown_process(const ProcessFacts& process);

}  // namespace minirun
