// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/death.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace minirun {

Ending ending_of(const DeathFacts& facts) {
  Ending ending;
  if (WIFSIGNALED(facts.wait_status)) {
    ending.signal = WTERMSIG(facts.wait_status);
    ending.core_dumped = WCOREDUMP(facts.wait_status);
    ending.exit_code = 128 + ending.signal;
    return ending;
  }
  ending.exit_code = WEXITSTATUS(facts.wait_status);
  int signal = ending.exit_code - 128;
  // A shell as the workload reports its last command's signal in the same way; that signal is the reason then, too.
  if (signal >= 1 && signal <= SIGRTMAX) {
    ending.signal = signal;
    ending.assumed = !facts.under_init;
  }
  return ending;
}

std::string signal_text(int signal) {
  const char* name = sigabbrev_np(signal);  // never localised; nothing for the real-time signals
  if (name != nullptr) return fmt::format("SIG{}", name);
  return fmt::format("signal {}", signal);
}

namespace {

std::string plural(uint64_t n, const char* one, const char* many) {
  return fmt::format("{} {}", n, n == 1 ? one : many);
}

std::string killed_count(const MemoryFacts& memory) {
  return plural(memory.total.oom_kill, "process killed (oom_kill)", "processes killed (oom_kill)");
}

std::string limit_and_peak(const MemoryFacts& memory) {
  std::string text = "memory.max " + (memory.limit_bytes ? human_bytes(*memory.limit_bytes) : std::string("max"));
  if (memory.peak_bytes) text += ", peak " + human_bytes(*memory.peak_bytes);
  return text;
}

// Finds the limit that was reached. The kernel counts "oom" in the cgroup whose limit was reached (and, in
// memory.events, in those above it), and "oom_kill" in the victim's: a kill without an "oom" came from above.
std::string oom_cause(const MemoryFacts& memory) {
  if (memory.local.oom > 0)
    return fmt::format("the memory limit: {}, {}", limit_and_peak(memory), killed_count(memory));
  if (memory.total.oom > 0)
    return fmt::format("a memory limit that the workload set on a cgroup of its own below the container's: {}",
                       killed_count(memory));
  if (!memory.ancestor.empty())
    return fmt::format("the memory limit of cgroup {}, which is above the container's: {}", memory.ancestor,
                       killed_count(memory));
  if (memory.host) return fmt::format("the OOM killer, as the host ran out of memory: {}", killed_count(memory));
  return fmt::format(
      "the OOM killer, though not by its own limit: a cgroup above it or the whole host ran out of memory; {}, {}",
      limit_and_peak(memory), killed_count(memory));
}

bool is_crash(int signal) {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE || signal == SIGABRT ||
         signal == SIGTRAP || signal == SIGSTKFLT;
}

std::string sigkill_cause(const DeathFacts& facts) {
  if (facts.forwarded_signal == SIGKILL) return "killed by SIGKILL, passed on by minirun";
  if (!facts.memory)
    return "killed by SIGKILL (without a memory controller minirun cannot know whether memory ran out)";
  return "killed by SIGKILL from outside, not by a memory limit";
}

}  // namespace

bool was_killed_by_filter(const DeathFacts& facts, const Ending& ending) {
  if (ending.assumed) return false;
  return (ending.signal == SIGSYS && facts.seccomp) || (ending.signal == SIGKILL && facts.killed_for_filter);
}

namespace {

std::string signal_cause(const DeathFacts& facts, const Ending& ending) {
  const int signal = ending.signal;
  const std::string name = signal_text(signal);
  const char* core = ending.core_dumped ? ", core dumped" : "";
  if (was_killed_by_filter(facts, ending)) return fmt::format("its seccomp filter killed it (bad system call){}", core);
  if (signal == SIGKILL) return sigkill_cause(facts);
  if (signal == facts.forwarded_signal) return fmt::format("ended by {}, passed on by minirun{}", name, core);
  if (is_crash(signal) || signal == SIGSYS) return fmt::format("crashed: {} ({}){}", name, sigdescr_np(signal), core);
  if (signal == SIGXCPU) return fmt::format("killed by SIGXCPU: its CPU time limit (RLIMIT_CPU) is used up{}", core);
  if (signal == SIGXFSZ) return fmt::format("killed by SIGXFSZ: a file grew past RLIMIT_FSIZE{}", core);
  return fmt::format("ended by {}{}", name, core);
}

std::string pids_note(const DeathFacts& facts) {
  if (facts.pids_limit_hits == 0) return "";
  const std::string limit =
      facts.pids_limit ? fmt::format("pids.max {}", *facts.pids_limit) : "a pids.max above its own";
  return fmt::format("a new process or thread was refused {} by {}", plural(facts.pids_limit_hits, "time", "times"),
                     limit);
}

// What happened, without the id; empty: nothing to report.
std::string describe(const DeathFacts& facts) {
  const Ending ending = ending_of(facts);
  const bool oom = facts.memory && facts.memory->total.oom_kill > 0;
  if (oom && ending.signal == SIGKILL && !was_killed_by_filter(facts, ending))
    return "killed by " + oom_cause(*facts.memory);

  std::string text;
  if (ending.signal != 0 && !ending.assumed) text = signal_cause(facts, ending);
  if (ending.assumed && (ending.signal == SIGKILL || ending.signal == SIGSYS || is_crash(ending.signal)))
    text = fmt::format("ended with code {}, as shells report {}", ending.exit_code, signal_text(ending.signal));
  auto add = [&text, &ending](const std::string& note) {
    if (text.empty()) text = fmt::format("ended with code {}", ending.exit_code);
    text += "; " + note;
  };
  if (oom) add("while it ran, part of it was killed by " + oom_cause(*facts.memory));
  // No process was killed, but the kernel refused memory to an exec past the point of no return, which then ends in
  // SIGSEGV.
  if (!oom && is_crash(ending.signal) && facts.memory && facts.memory->local.oom > 0)
    add("its memory limit was reached: " + limit_and_peak(*facts.memory));
  if (ending.exit_code != 0 && facts.pids_limit_hits > 0) add(pids_note(facts));
  return text;
}

}  // namespace

std::string human_bytes(uint64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  uint64_t scale = 1;
  while (unit + 1 < std::size(kUnits) && bytes / scale >= 1024) {
    scale *= 1024;
    ++unit;
  }
  if (bytes % scale == 0) return fmt::format("{} {}", bytes / scale, kUnits[unit]);
  // Truncates to tenths instead of rounding: a peak just below the limit must not look like the limit.
  const uint64_t tenths =
      bytes / scale * 10 + static_cast<uint64_t>(static_cast<unsigned __int128>(bytes % scale) * 10 / scale);
  return fmt::format("{}.{} {} ({} bytes)", tenths / 10, tenths % 10, kUnits[unit], bytes);
}

std::string limit_reached(const std::optional<uint64_t>& memory_max_bytes) {
  return memory_max_bytes ? human_bytes(*memory_max_bytes) : "of a cgroup above";
}

std::optional<std::string> death_line(const DeathFacts& facts) {
  std::string text = describe(facts);
  if (text.empty()) return std::nullopt;
  return fmt::format("minirun: {}: {}", facts.id, text);
}

}  // namespace minirun
