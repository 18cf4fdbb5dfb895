// SPDX-License-Identifier: Apache-2.0
#include "cgroups/processes.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "cgroups/walk.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "sys/process_stat.h"

namespace minirun {
namespace {

constexpr size_t kMostProcesses = 5;
constexpr int kMostDirectories = 64;  // a message needs no complete list; the tree may be a hostile one

class Finder {
 public:
  explicit Finder(size_t most) : most_(most) {}

  std::vector<std::string> pids;

  void search(int cgroup_fd, int depth) {
    if (auto text = read_file(cgroup_fd, "cgroup.procs"); text) add(*text);
    if (depth == 0) return;
    // The message omits what cannot be read.
    (void)for_each_entry(cgroup_fd, ".", [&](const dirent& entry) -> Result<bool> {
      if (pids.size() >= most_) return false;
      if (entry.d_type != DT_DIR) return true;
      if (left_-- <= 0) return false;
      auto child = open_at(cgroup_fd, entry.d_name, O_PATH | O_DIRECTORY);
      if (child) search(child->get(), depth - 1);
      return true;
    });
  }

 private:
  void add(std::string_view procs) {
    while (!procs.empty() && pids.size() < most_) {
      std::string_view pid = procs.substr(0, procs.find('\n'));
      procs.remove_prefix(std::min(procs.size(), pid.size() + 1));
      if (pid != "0") pids.emplace_back(pid);  // 0: a process outside our pid namespace
    }
  }

  size_t most_;
  int left_ = kMostDirectories;
};

std::string proc_text(const std::string& pid, const char* file) {
  auto text = read_file(AT_FDCWD, "/proc/" + pid + "/" + file);
  return text ? *text : std::string();
}

std::string tracer_of(const std::string& pid) {
  auto field = status_field(proc_text(pid, "status"), "TracerPid");
  long tracer = field ? strtol(field->c_str(), nullptr, 10) : 0;
  return tracer > 0 ? fmt::format(" traced by pid {}", tracer) : "";
}

// The process that has to wait for a zombie: "pid 7 (sh)". "" if it is not a zombie.
std::string reaper_of(const std::string& stat) {
  size_t close = stat.rfind(") Z ");
  if (close == stat.npos) return "";
  std::string parent = std::to_string(strtol(stat.c_str() + close + 4, nullptr, 10));
  if (parent == "0") return "a process that cannot be seen from here";
  std::string named = describe_process(parent, proc_text(parent, "stat"), "");
  return named.substr(0, named.rfind(", ")) + (named.ends_with(')') ? ")" : "");
}

std::string describe(const std::vector<std::string>& pids) {
  std::string text;
  for (size_t i = 0; i < pids.size() && i < kMostProcesses; ++i) {
    if (i > 0) text += ", ";
    std::string stat = proc_text(pids[i], "stat");
    std::string tracer = tracer_of(pids[i]);  // which has to wait first (ptrace(2))
    text +=
        describe_process(pids[i], stat, proc_text(pids[i], "wchan"), tracer.empty() ? reaper_of(stat) : "") + tracer;
  }
  if (text.empty()) return "processes that cannot be seen from here";
  if (pids.size() > kMostProcesses) text += " and more";
  return text;
}

// The freezer's trap is a separate function in some kernel builds, and inlined into its caller in others.
bool is_frozen_wchan(std::string_view wchan) {
  return wchan == "do_freezer_trap" || wchan == "get_signal";
}

// The pids of one cgroup. A threaded cgroup lists none (EOPNOTSUPP): the nearest domain cgroup above does.
Result<void> collect(int cgroup_fd, std::vector<pid_t>* pids) {
  auto text = read_file(cgroup_fd, "cgroup.procs", 64 << 20);
  if (!text && text.error().code == EOPNOTSUPP) return {};
  if (!text) return text.error();
  for (const char* at = text->c_str(); *at != '\0';) {
    char* end = nullptr;
    auto pid = static_cast<pid_t>(strtol(at, &end, 10));
    if (end == at) break;
    if (pid > 0) pids->push_back(pid);
    at = *end == '\n' ? end + 1 : end;
  }
  return {};
}

void sort_pids(std::vector<pid_t>* pids) {
  std::sort(pids->begin(), pids->end());
  pids->erase(std::unique(pids->begin(), pids->end()), pids->end());  // it may have moved between two reads
}

// Of cgroup.stat; 0 where it cannot be read.
size_t count_descendants(int cgroup_fd) {
  constexpr std::string_view kKey = "nr_descendants ";
  auto text = read_file(cgroup_fd, "cgroup.stat");
  return text && text->starts_with(kKey) ? strtoul(text->c_str() + kKey.size(), nullptr, 10) : 0;
}

}  // namespace

std::string describe_process(std::string_view pid, std::string_view stat, std::string_view wchan,
                             std::string_view reaper) {
  // The name can hold blanks and parentheses: it ends at the last one.
  size_t open = stat.find('(');
  size_t close = stat.rfind(')');
  if (open == stat.npos || close == stat.npos || close + 2 >= stat.size()) return fmt::format("pid {}", pid);
  std::string name(stat.substr(open + 1, close - open - 1));
  for (char& c : name)
    if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  if (!reaper.empty())
    return fmt::format("pid {} ({}, Z: its parent, {}, has not waited for it: end that)", pid, name, reaper);
  bool waits = !wchan.empty() && wchan != "0";
  return fmt::format("pid {} ({}, {}{}{})", pid, name, stat[close + 2], waits ? ", " : "", waits ? wchan : "");
}

std::string describe_processes(int cgroup_fd) {
  Finder finder(kMostProcesses + 1);
  finder.search(cgroup_fd, 16);
  return describe(finder.pids);
}

std::string describe_processes(const std::vector<pid_t>& pids) {
  std::vector<std::string> names;
  for (pid_t pid : pids) names.push_back(std::to_string(pid));
  return describe(names);
}

std::string describe_unfrozen_processes(int cgroup_fd) {
  constexpr size_t kMostToLookAt = 1000;  // most of them are frozen, and not named
  Finder finder(kMostToLookAt);
  finder.search(cgroup_fd, 16);
  std::vector<std::string> pids;
  for (const std::string& pid : finder.pids)
    if (!is_frozen_wchan(proc_text(pid, "wchan"))) pids.push_back(pid);
  return describe(pids.empty() ? finder.pids : pids);
}

Result<std::vector<pid_t>> list_processes(int cgroup_fd) {
  std::vector<pid_t> pids;
  TRY(collect(cgroup_fd, &pids));
  Result<void> all;
  constexpr WalkLimits kLimits{HugeTree::refuse, 1 << 20};
  TRY(walk_cgroups(cgroup_fd, kLimits, [&](const std::string& path, int fd) {
    if (!all.ok()) return false;
    if (path == ".") return true;
    auto collected = collect(fd, &pids);
    bool gone = !collected.ok() && (collected.error().code == ENOENT || collected.error().code == ENODEV);
    if (!gone) all = collected;
    return collected.ok();
  }));
  if (!all.ok()) return all.error();
  sort_pids(&pids);
  return pids;
}

Result<VisibleProcesses> look_at_processes(int cgroup_fd, const LookLimits& limits) {
  VisibleProcesses all;
  TRY(collect(cgroup_fd, &all.pids));
  const size_t below = count_descendants(cgroup_fd);
  size_t seen = 0;
  const WalkLimits some{HugeTree::see_in_part, limits.cgroups};
  auto walked = below == 0 ? Result<void>() : walk_cgroups(cgroup_fd, some, [&](const std::string& path, int fd) {
    if (path == ".") return true;
    if (all.pids.size() > limits.processes) return false;
    if (collect(fd, &all.pids).ok()) ++seen;
    return true;
  });
  if (!walked.ok() && walked.error().code != EACCES) return walked.error();
  sort_pids(&all.pids);
  all.unseen = below > seen ? below - seen : 0;
  all.cut = all.pids.size() > limits.processes;
  if (all.cut) all.pids.resize(limits.processes);
  return all;
}

}  // namespace minirun
