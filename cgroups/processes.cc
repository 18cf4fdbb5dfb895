#include "cgroups/processes.h"

#include <dirent.h>
#include <fcntl.h>

#include <vector>

#include "sys/file.h"

namespace minirun {
namespace {

constexpr size_t kMostProcesses = 5;
constexpr int kMostDirectories = 64;  // a message needs no complete list; the tree may be a hostile one

class Finder {
 public:
  std::vector<std::string> pids;

  void search(int cgroup_fd, int depth) {
    if (auto text = read_file(cgroup_fd, "cgroup.procs"); text) add(*text);
    if (depth == 0) return;
    auto again = open_at(cgroup_fd, ".", O_RDONLY | O_DIRECTORY);  // its own position, for reading the directory
    DIR* directory = again ? fdopendir(again->get()) : nullptr;
    if (directory == nullptr) return;
    (void)again->release();  // closedir closes it
    while (dirent* entry = readdir(directory)) {
      if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || pids.size() > kMostProcesses || left_-- <= 0) continue;
      auto child = open_at(cgroup_fd, entry->d_name, O_PATH | O_DIRECTORY);
      if (child) search(child->get(), depth - 1);
    }
    closedir(directory);
  }

 private:
  void add(std::string_view procs) {
    while (!procs.empty() && pids.size() <= kMostProcesses) {
      std::string_view pid = procs.substr(0, procs.find('\n'));
      procs.remove_prefix(std::min(procs.size(), pid.size() + 1));
      if (pid != "0") pids.emplace_back(pid);  // 0: a process outside of our pid namespace
    }
  }

  int left_ = kMostDirectories;
};

std::string proc_text(const std::string& pid, const char* file) {
  auto text = read_file(AT_FDCWD, "/proc/" + pid + "/" + file);
  return text ? *text : std::string();
}

}  // namespace

std::string describe_process(std::string_view pid, std::string_view stat, std::string_view wchan) {
  // The name can hold blanks and parentheses: it ends at the last one.
  size_t open = stat.find('(');
  size_t close = stat.rfind(')');
  if (open == stat.npos || close == stat.npos || close + 2 >= stat.size()) return fmt::format("pid {}", pid);
  std::string name(stat.substr(open + 1, close - open - 1));
  for (char& c : name)
    if (static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  bool waits = !wchan.empty() && wchan != "0";
  return fmt::format("pid {} ({}, {}{}{})", pid, name, stat[close + 2], waits ? ", " : "", waits ? wchan : "");
}

std::string describe_processes(int cgroup_fd) {
  Finder finder;
  finder.search(cgroup_fd, 16);
  std::string text;
  for (size_t i = 0; i < finder.pids.size() && i < kMostProcesses; ++i) {
    const std::string& pid = finder.pids[i];
    if (i > 0) text += ", ";
    text += describe_process(pid, proc_text(pid, "stat"), proc_text(pid, "wchan"));
  }
  if (text.empty()) return "processes that cannot be seen from here";
  if (finder.pids.size() > kMostProcesses) text += " and more";
  return text;
}

}  // namespace minirun
