// SPDX-License-Identifier: Apache-2.0
// Explains in one line why a workload ended. Pure: facts in, sentence out, so each line has a unit test.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace minirun {

// The counters of memory.events or memory.events.local that matter here (cgroup-v2.rst, "Memory Interface Files").
struct OomCounts {
  uint64_t oom = 0;       // a limit of this cgroup (events: or of one below it) was reached and reclaim did not help
  uint64_t oom_kill = 0;  // processes killed by any OOM killer, for any limit
};

// Read after the workload ended and before its cgroup is removed.
struct MemoryFacts {
  OomCounts total;                      // memory.events
  OomCounts local;                      // memory.events.local
  std::optional<uint64_t> limit_bytes;  // memory.max; absent: "max"
  std::optional<uint64_t> peak_bytes;   // memory.peak (5.19)
  std::string ancestor;                 // the cgroup above whose limit was reached; "": none, or not known
  bool host = false;                    // no limit above was reached either: the whole host ran out of memory
};

struct DeathFacts {
  std::string id;
  int wait_status = 0;      // as from wait(2): of the workload itself, or of an init that ends with 128 + signal
  bool under_init = false;  // exit codes above 128 are an init's way to report a signal
  std::optional<MemoryFacts> memory;   // absent: the cgroup has no memory controller
  int forwarded_signal = 0;            // the last signal that minirun passed on to the workload, 0: none
  bool seccomp = false;                // a seccomp filter was loaded
  bool killed_for_filter = false;      // minirun killed it where its filter would have: --explain-seccomp
  std::optional<uint64_t> pids_limit;  // pids.max; absent: "max"
  uint64_t pids_limit_hits = 0;        // pids.events: max
};

// An end as minirun reports it.
struct Ending {
  int exit_code = 0;  // the code, or 128 + signal
  int signal = 0;     // 0: it ended by itself
  bool core_dumped = false;
  bool assumed = false;  // an exit code above 128 that only looks like a signal
};
Ending ending_of(const DeathFacts& facts);

// Whether the workload's seccomp filter ended it, or minirun in its place.
bool was_killed_by_filter(const DeathFacts& facts, const Ending& ending);

// "SIGTERM"; of a real-time signal "signal 34".
std::string signal_text(int signal);

// "minirun: web1: killed by the memory limit: memory.max 64 MiB, peak 64 MiB, 1 process killed (oom_kill)", without a
// line end. Nothing for an ordinary end: exit code 0, or another with nothing known that explains it.
std::optional<std::string> death_line(const DeathFacts& facts);

// "64 MiB" if that is exact, else "63.9 MiB (67000000 bytes)".
std::string human_bytes(uint64_t bytes);

// The text after "memory.max " if a limit was reached: this cgroup's limit, or without one "of a cgroup above".
std::string limit_reached(const std::optional<uint64_t>& memory_max_bytes);

}  // namespace minirun
