// SPDX-License-Identifier: Apache-2.0
// The rules about processes that do not do what they should: wait, end, reap, heed a signal.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <map>

#include "runtime/inspect/rules.h"
#include "runtime/inspect/shares.h"
#include "runtime/oci/annotations.h"

namespace minirun {
namespace {

constexpr size_t kManyZombies = 5;
constexpr double kOrdinaryWaitUs = 50'000;
constexpr size_t kMostNamed = 3;  // findings of one rule that name a process each; the last says how many more

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);  // nothing for the real-time signals
  return name != nullptr ? std::string("SIG") + name : fmt::format("SIGRTMIN+{}", signal - SIGRTMIN);
}

bool has_signal(uint64_t set, int signal) {
  return (set >> (signal - 1) & 1) != 0;
}

bool is_frozen_container(const Facts& facts) {
  return facts.after.cgroup && facts.after.cgroup->frozen.value_or(false);
}

// Whether its first thread has not woken between both samples, as far as that is known.
bool slept_on(const ProcessFacts& before, const ProcessFacts& after) {
  return !before.status || !after.status || before.status->sleeps == after.status->sleeps;
}

// In one of the states in both samples.
std::vector<const ProcessFacts*> lasting(const Facts& facts, std::string_view states) {
  std::vector<const ProcessFacts*> found;
  for (const ProcessFacts& process : facts.after.processes) {
    const ProcessFacts* earlier = find_process(facts.before, process);
    if (earlier == nullptr || states.find(process.stat.state) == states.npos) continue;
    if (earlier->stat.state == process.stat.state && slept_on(*earlier, process)) found.push_back(&process);
  }
  return found;
}

std::string others(size_t all, size_t named) {
  return all <= named ? "" : fmt::format("; {} more in this state", all - named);
}

std::string tracer_of(const Facts& facts, const ProcessFacts& process) {
  if (!process.status || process.status->tracer == 0) return "a tracer that cannot be seen from here";
  const ProcessFacts* tracer = find_process(facts.after, process.status->tracer);
  return tracer != nullptr ? shown_process(*tracer) : fmt::format("process {}", process.status->tracer);
}

bool has_child_that_catches(const Facts& facts, const ProcessFacts& parent, const ProcessFacts** child) {
  for (const ProcessFacts& process : facts.after.processes)
    if (process.stat.parent == parent.pid && process.status && has_signal(process.status->caught, facts.stop_signal)) {
      *child = &process;
      return true;
    }
  return false;
}

// Its only child, if it has one.
const ProcessFacts* only_child(const Sample& sample, const ProcessFacts& parent) {
  const ProcessFacts* child = nullptr;
  for (const ProcessFacts& process : sample.processes) {
    if (process.stat.parent != parent.pid || process.stat.state == 'Z') continue;
    if (child != nullptr) return nullptr;
    child = &process;
  }
  return child;
}

// As npm does it: it hands the signal to a shell, which ends by it, and the shell's child never gets it.
void find_signal_lost_below(const Facts& facts, const ProcessFacts& main, std::vector<Finding>* findings) {
  const ProcessFacts* middle = only_child(facts.after, main);
  if (middle == nullptr || !middle->status) return;
  const uint64_t heeds = middle->status->caught | middle->status->blocked | middle->status->ignored;
  const ProcessFacts* last = nullptr;
  if (has_signal(heeds, facts.stop_signal) || !has_child_that_catches(facts, *middle, &last)) return;
  findings->push_back(
      {.severity = Severity::warning,
       .text =
           fmt::format("{} handles {}, but between it and {}, which handles it too, is {}, which has no handler: if "
                       "it ends by the signal, {} is killed without its time to clean up",
                       shown_process(main), signal_name(facts.stop_signal), shown_process(*last),
                       shown_process(*middle), shown_process(*last)),
       .remedy = "start the last one itself, or by exec in the shell's command",
       .pid = middle->pid,
       .numbers = {{"signal", facts.stop_signal}}});
}

}  // namespace

void find_frozen(const Facts& facts, std::vector<Finding>* findings) {
  if (!is_frozen_container(facts)) return;
  bool paused = facts.after.status == "paused";
  findings->push_back(
      {.severity = Severity::critical,
       .text = fmt::format("its {} frozen{}", counted(facts.after.processes.size(), "process is", "processes are"),
                           paused ? " (minirun pause, or an engine's)" : ", by a cgroup above it"),
       .remedy = paused ? fmt::format("minirun resume {}", facts.after.id)
                        : "write 0 to cgroup.freeze of the cgroup above it that has 1",
       .numbers = {{"processes", facts.after.processes.size()}}});
}

// A disk on a busy machine takes some milliseconds, too.
void find_uninterruptible(const Facts& facts, std::vector<Finding>* findings) {
  if (elapsed_us(facts.before, facts.after) < kOrdinaryWaitUs) return;
  auto waiting = lasting(facts, "D");
  for (size_t i = 0; i < std::min(waiting.size(), kMostNamed); ++i) {
    const ProcessFacts& process = *waiting[i];
    std::string where = process.wait_channel.empty() ? "" : " in " + process.wait_channel;
    bool last = i + 1 == kMostNamed;
    findings->push_back({.severity = Severity::critical,
                         .text = fmt::format("{} waits in the kernel{} (state D) the whole time{}",
                                             shown_process(process), where, last ? others(waiting.size(), i + 1) : ""),
                         .remedy = "find what it waits for: a disk, a network filesystem, a FUSE server, or a child of "
                                   "vfork(2); until then, no signal but perhaps KILL ends it",
                         .pid = process.pid});
  }
}

void find_stopped(const Facts& facts, std::vector<Finding>* findings) {
  auto stopped = lasting(facts, "Tt");
  for (size_t i = 0; i < std::min(stopped.size(), kMostNamed); ++i) {
    const ProcessFacts& process = *stopped[i];
    bool traced = process.stat.state == 't';
    bool last = i + 1 == kMostNamed;
    findings->push_back(
        {.severity = Severity::critical,
         .text =
             fmt::format("{} is stopped by {}{}", shown_process(process),
                         traced ? tracer_of(facts, process) : "a signal", last ? others(stopped.size(), i + 1) : ""),
         .remedy = traced ? "let the tracer go on, or end it" : fmt::format("kill -CONT {}", process.pid),
         .pid = process.pid});
  }
}

void find_event_loop(const Facts& facts, std::vector<Finding>* findings) {
  for (const ProcessFacts& process : facts.after.processes) {
    const ProcessFacts* earlier = find_process(facts.before, process);
    if (earlier == nullptr || !process.files || !process.files->waits_by_epoll) continue;
    if (!earlier->status || !process.status || earlier->status->sleeps != process.status->sleeps) continue;
    double ticks =
        static_cast<double>(process.stat.cpu_ticks - std::min(process.stat.cpu_ticks, earlier->stat.cpu_ticks));
    double share =
        percent(ticks * 1e6 / static_cast<double>(sysconf(_SC_CLK_TCK)), elapsed_us(facts.before, facts.after));
    if (process.stat.state != 'R' || earlier->stat.state != 'R' || share <= 0) continue;
    findings->push_back(
        {.severity = Severity::warning,
         .text = fmt::format("{} serves events (epoll), but its first thread has not waited for one in "
                             "{:.1f} s: it computes, at {:.0f} % of a CPU",
                             shown_process(process), elapsed_us(facts.before, facts.after) / 1e6, share),
         .remedy = "find the loop or the garbage collection that blocks it (a profiler of its language), "
                   "or give it less to do: meanwhile it serves nothing else",
         .pid = process.pid,
         .numbers = {{"cpu_percent", share}}});
  }
}

void find_zombies(const Facts& facts, std::vector<Finding>* findings) {
  std::map<pid_t, size_t> of_parent;
  for (const ProcessFacts* zombie : lasting(facts, "Z")) ++of_parent[zombie->stat.parent];
  for (const auto& [pid, zombies] : of_parent) {
    if (zombies < kManyZombies) continue;
    const ProcessFacts* parent = find_process(facts.after, pid);
    bool is_first = pid == facts.after.first && !facts.after.resident_init;
    findings->push_back(
        {.severity = Severity::warning,
         .text = fmt::format("{} of {}, which does not wait for its children", counted(zombies, "zombie", "zombies"),
                             parent != nullptr ? shown_process(*parent) : fmt::format("process {}", pid)),
         .remedy = is_first ? "run it with minirun's init, without --no-init (create: --init), which reaps them"
                            : "let it call wait(2); if it ends, the init reaps them",
         .pid = pid,
         .numbers = {{"zombies", zombies}}});
  }
}

void find_stop_signal(const Facts& facts, std::vector<Finding>* findings) {
  const ProcessFacts* main = main_process(facts.after);
  if (main == nullptr || !main->status || facts.after.status == "created") return;
  const ProcessStatus& status = *main->status;
  // It waits for signals by sigwaitinfo(2), which takes them out of the blocked ones meanwhile.
  if (main->wait_channel.find("sigtimedwait") != std::string::npos) return;
  // What blocks a signal may read it from a descriptor (signalfd(2)).
  if (has_signal(status.blocked, facts.stop_signal)) return;
  if (facts.stop_signal == SIGKILL || facts.stop_signal == SIGSTOP) return;
  if (has_signal(status.caught, facts.stop_signal)) return find_signal_lost_below(facts, *main, findings);
  const bool ignored = has_signal(status.ignored, facts.stop_signal);
  const bool drops = !ignored && status.innermost_pid == 1;  // pid_namespaces(7)
  const ProcessFacts* child = nullptr;
  const bool heeded_below = has_child_that_catches(facts, *main, &child);
  if (!ignored && !drops && !heeded_below) return;
  std::string why = ignored ? "ignores it" : drops ? "has no handler for it, and the kernel drops it for pid 1" : "";
  std::string below = heeded_below ? fmt::format("{} has one", shown_process(*child)) : "";
  std::string text = fmt::format("{} goes to {}, which ", signal_name(facts.stop_signal), shown_process(*main));
  if (ignored || drops)
    text += why + (heeded_below ? ", while its child " + below : "") + ": stop has to kill after its timeout";
  else
    text +=
        fmt::format("has no handler and ends at once; its child {}, and is killed without its time to clean up", below);
  findings->push_back(
      {.severity = Severity::warning,
       .text = text,
       .remedy =
           heeded_below ? "start the child's program itself, without the one before it (exec in a shell script)"
           : ignored
               ? fmt::format("let it handle the signal, or name another in {}", annotation_key(Annotation::stop_signal))
               : "run it with minirun's init, without --no-init (create: --init), or let it handle the signal",
       .pid = main->pid,
       .numbers = {{"signal", facts.stop_signal}}});
}

}  // namespace minirun
