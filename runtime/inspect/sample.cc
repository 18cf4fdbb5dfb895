// SPDX-License-Identifier: Apache-2.0
#include "runtime/inspect/sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "cgroups/processes.h"
#include "runtime/container/pid_namespace.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

constexpr size_t kMostUnreadable = 8;

bool has_left(const Error& error) {
  return error.code == ENOENT || error.code == ENODEV || error.code == ESRCH || error.code == ESTALE;
}

Error not_running() {
  return fail(ErrorKind::state, "container not running");
}

Result<std::vector<pid_t>> pids_by_namespace(const Container& container) {
  std::vector<pid_t> pids;
  for (const PidNamespaceMember& member : TRY(pid_namespace_members(container.record.init.pid, container.init.get())))
    pids.push_back(member.pid);
  return pids;
}

void note_unseen(const VisibleProcesses& processes, Sample* sample) {
  if (processes.cut)
    sample->unseen.push_back(
        fmt::format("the container has more than {} processes: the others are not looked at", kMostProcessesSeen));
  if (processes.unseen > 0)
    sample->unseen.push_back(
        fmt::format("the processes in {} of its cgroups are not looked at: minirun may not read these cgroups, or they "
                    "are beyond the first {}",
                    processes.unseen, kMostCgroupsSeen));
}

void note_partly_seen(Sample* sample) {
  auto has = [&](bool ProcessFacts::*what) {
    return std::count_if(sample->processes.begin(), sample->processes.end(),
                         [&](const ProcessFacts& process) { return process.*what; });
  };
  if (auto partly = has(&ProcessFacts::partly); partly > 0)
    sample->unseen.push_back(fmt::format(
        "parts of /proc/PID of {} of its processes could not be read (another user's, or a passing failure)", partly));
  if (auto cut = has(&ProcessFacts::cut); cut > 0)
    sample->unseen.push_back(
        fmt::format("{} of its processes have more than {} descriptors: the kinds of the others are "
                    "not counted",
                    cut, kMostDescriptors));
}

// Reads the cgroup, and finds the processes in it.
Result<std::vector<pid_t>> look_at_own_cgroup(const Container& container, Sample* sample) {
  Cgroup cgroup = TRY(open_cgroup(container.record));
  sample->cgroup = TRY(look_at_cgroup(cgroup.fd()));
  auto processes = TRY(look_at_processes(cgroup.fd(), {kMostProcessesSeen, kMostCgroupsSeen}));
  note_unseen(processes, sample);
  // A threaded cgroup lists its processes only in the domain above it, among others.
  if (processes.pids.empty() && container.record.own_pid_namespace) return pids_by_namespace(container);
  return std::move(processes.pids);
}

Result<std::vector<pid_t>> pids_of(const Container& container, Sample* sample) {
  if (container.record.cgroup.path.empty()) return pids_by_namespace(container);
  return look_at_own_cgroup(container, sample);
}

// Where it is more than a few, it is the machine, not the process.
Result<void> note_unreadable(pid_t pid, const Error& error, Sample* sample) {
  if (!has_left(error)) sample->unseen.push_back(fmt::format("process {}: {}", pid, error.text()));
  return sample->unseen.size() > kMostUnreadable ? Result<void>(error) : Result<void>();
}

bool has_process(const Sample& sample, pid_t pid) {
  return find_process(sample, pid) != nullptr;
}

// cgroup.procs omits processes that have ended and wait for their parent.
Result<void> add_zombies(Detail detail, const GoOn& go_on, Sample* sample) {
  std::vector<pid_t> children;
  size_t unknown = 0;
  for (const ProcessFacts& process : sample->processes) {
    if (!go_on()) return fail(ErrorKind::aborted, "given up");
    if (process.stat.state == 'Z') continue;
    auto added = add_children(process, &children);
    if (!added.ok() && (!has_left(added.error()) || process.pid == sample->first)) ++unknown;
  }
  if (unknown > 0)
    sample->unseen.push_back(
        fmt::format("the zombies of {} of its processes: /proc/PID/task/PID/children cannot be read, "
                    "or this kernel lacks it",
                    unknown));
  std::sort(children.begin(), children.end());
  std::vector<ProcessFacts> zombies;
  for (pid_t pid : children) {
    if (!go_on()) return fail(ErrorKind::aborted, "given up");
    if (has_process(*sample, pid)) continue;
    if (sample->processes.size() + zombies.size() == kMostProcessesSeen) {
      note_unseen({{}, 0, true}, sample);
      break;
    }
    auto process = look_at_process(pid, detail);
    if (process.ok()) {
      // A live one is new, or has left the cgroup.
      if (process->stat.state == 'Z') zombies.push_back(std::move(process).value());
      continue;
    }
    TRY(note_unreadable(pid, process.error(), sample));
  }
  for (ProcessFacts& zombie : zombies) sample->processes.push_back(std::move(zombie));
  std::sort(sample->processes.begin(), sample->processes.end(),
            [](const ProcessFacts& a, const ProcessFacts& b) { return a.pid < b.pid; });
  return {};
}

}  // namespace

Result<Sample> look_at(const Container& container, Detail detail, const GoOn& go_on) {
  if (!container.init) return not_running();
  Sample sample{std::chrono::steady_clock::now(), container.record.id, std::string(status_name(container.status)),
                container.record.init.pid, container.record.resident_init};
  auto pids = pids_of(container, &sample);
  bool ended = TRY(has_ended(container.init.get()));
  if (ended || (!pids.ok() && has_left(pids.error()))) return not_running();
  if (!pids.ok()) return pids.error();
  if (pids->size() > kMostProcessesSeen) {
    pids->resize(kMostProcessesSeen);
    note_unseen({{}, 0, true}, &sample);
  }
  for (pid_t pid : *pids) {
    if (!go_on()) return fail(ErrorKind::aborted, "given up");
    auto process = look_at_process(pid, detail);
    if (process.ok())
      sample.processes.push_back(std::move(process).value());
    else
      TRY(note_unreadable(pid, process.error(), &sample));
  }
  TRY(add_zombies(detail, go_on, &sample));
  note_partly_seen(&sample);
  return sample;
}

const ProcessFacts* find_process(const Sample& sample, pid_t pid) {
  const auto& all = sample.processes;
  auto found = std::lower_bound(all.begin(), all.end(), pid,
                                [](const ProcessFacts& process, pid_t wanted) { return process.pid < wanted; });
  return found != all.end() && found->pid == pid ? &*found : nullptr;
}

const ProcessFacts* find_process(const Sample& sample, const ProcessFacts& process) {
  const ProcessFacts* found = find_process(sample, process.pid);
  return found != nullptr && is_same(*found, process) ? found : nullptr;
}

double elapsed_us(const Sample& before, const Sample& after) {
  return std::chrono::duration<double, std::micro>(after.time - before.time).count();
}

std::optional<uint64_t> growth(const std::optional<uint64_t>& before, const std::optional<uint64_t>& after) {
  if (!before || !after) return std::nullopt;
  return *after - std::min(*before, *after);
}

}  // namespace minirun
