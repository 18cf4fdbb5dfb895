// SPDX-License-Identifier: Apache-2.0
// A tracer inside a container: attaches to every process that it can name, and reports what it could take from it.
#include <dirent.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include "namespaces/plan.h"
#include "tests/support/payload/payload.h"

namespace payload {
namespace {

volatile sig_atomic_t g_stop = 0;

void stop(int) {
  g_stop = 1;
}

std::string target(const std::string& link) {
  std::array<char, 4096> name{};
  return readlink(link.c_str(), name.data(), name.size() - 1) < 0 ? "" : name.data();
}

uint64_t field(const std::string& process, const std::string& name, int base) {
  std::istringstream lines(slurp(process + "/status"));
  for (std::string line; std::getline(lines, line);)
    if (line.rfind(name + ":", 0) == 0) return std::strtoull(line.c_str() + name.size() + 1, nullptr, base);
  return 0;
}

// Empty where no LSM labels processes.
std::string label(const std::string& process) {
  std::string text = slurp(process + "/attr/current");
  return text.substr(0, text.find_first_of(std::string("\n\0", 2)));  // AppArmor ends it in one, SELinux in the other
}

bool same_root(const std::string& process) {
  struct stat theirs {
  }, own{};
  if (stat((process + "/root/").c_str(), &theirs) != 0) return true;  // it is gone
  return stat("/", &own) == 0 && own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino;
}

// It opens a procfs for minirun.
bool is_in_empty_tree(const std::string& process) {
  DIR* directory = opendir((process + "/root/").c_str());
  if (directory == nullptr) return false;
  int entries = 0;
  while (readdir(directory) != nullptr) ++entries;
  (void)closedir(directory);
  return entries == 2;  // itself and ".."
}

// Anonymous memory, the kernel's own ("[vdso]"), the init program, the plan: no program or library of the host.
bool is_init_memory(const std::string& name) {
  return name.find('/') == std::string::npos || name.rfind("/memfd:minirun-", 0) == 0;
}

// Whose turn it is to be attached to: each time later than the last time. A process that is stopped without end gets
// nowhere, and all of its life counts.
class Patience {
 public:
  bool is_due(pid_t pid) {
    if (turns_.size() > 64) turns_.erase(turns_.begin(), std::prev(turns_.end(), 8));
    Turns& turns = turns_[pid];
    if (turns.left-- > 0) return false;
    turns.left = ++turns.taken;
    return true;
  }

 private:
  struct Turns {
    int taken = 0, left = 0;
  };
  std::map<pid_t, Turns> turns_;
};

class Tracer {
 public:
  void attach(pid_t pid) {
    if (!patience_.is_due(pid) || ptrace(PTRACE_SEIZE, pid, 0, 0) != 0) return;
    ++attached_;
    int status = 0;
    if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 && waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
      look_at("/proc/" + std::to_string(pid));
      (void)ptrace(PTRACE_DETACH, pid, 0, 0);
    }
  }

  // Nothing but what begins with one of these; with none of them, anything.
  bool found_only(const Args& allowed) const {
    return allowed.empty() || std::all_of(findings_.begin(), findings_.end(), [&](const std::string& finding) {
             return std::any_of(allowed.begin(), allowed.end(),
                                [&](const std::string& each) { return finding.starts_with(each); });
           });
  }

  std::string words() const {
    std::string line = "attached " + std::to_string(attached_) + " empty " + std::to_string(empty_) + " before " +
                       std::to_string(before_) + " findings " + std::to_string(findings_.size());
    for (const std::string& finding : findings_) line += " [" + finding + "]";
    return line + "\n";
  }

 private:
  void look_at(const std::string& process) {
    const std::string program = target(process + "/exe");
    if (program.empty() || program.ends_with(kOwnProgram)) return;  // it has executed its program, or is gone
    ++before_;
    if (program.rfind("/memfd:minirun-init", 0) != 0) findings_.insert("program " + program);
    look_at_memory(process);
    if (is_in_empty_tree(process)) {
      ++empty_;
      if (target(process + "/ns/user") == target("/proc/self/ns/user") && field(process, "CapPrm", 16) != 0)
        findings_.insert("capabilities of an empty one");
      if (field(process, "Seccomp_filters", 10) < 1) findings_.insert("filter of an empty one");
      if (field(process, "NoNewPrivs", 10) != 1) findings_.insert("new privileges of an empty one");
      look_at_descriptors(process, "anon_inode:[fscontext]", 0);
      return;
    }
    if (!same_root(process)) findings_.insert("root");
    if ((field(process, "CapPrm", 16) & ~own_capabilities_) != 0) findings_.insert("capabilities");
    if (label(process) != own_label_) findings_.insert("label " + label(process));
    if (field(process, "Seccomp", 10) < own_filter_ || field(process, "Seccomp_filters", 10) < own_filters_)
      findings_.insert("filter");
    look_at_descriptors(process, "", 3);
  }

  void look_at_memory(const std::string& process) {
    std::istringstream lines(slurp(process + "/maps"));
    std::string range, access, offset, device, inode, name;
    for (std::string line; std::getline(lines, line); name.clear()) {
      std::istringstream words(line);
      words >> range >> access >> offset >> device >> inode >> name;
      if (!is_init_memory(name)) findings_.insert("memory " + name);
    }
  }

  void look_at_descriptors(const std::string& process, const std::string& allowed, int first) {
    for (int fd = first; fd < 64; ++fd) {
      const std::string name = target(process + "/fd/" + std::to_string(fd));
      if (!name.empty() && name != allowed) findings_.insert("descriptor " + name.substr(0, name.find(":[")));
    }
  }

  static constexpr const char* kOwnProgram = "/bin/payload";
  const uint64_t own_capabilities_ = field("/proc/self", "CapBnd", 16);
  const uint64_t own_filter_ = field("/proc/self", "Seccomp", 10);
  const uint64_t own_filters_ = field("/proc/self", "Seccomp_filters", 10);
  Patience patience_;
  const std::string own_label_ = label("/proc/self");
  long attached_ = 0, before_ = 0, empty_ = 0;
  std::set<std::string> findings_;
};

// Makes the process that opens a procfs open another filesystem.
class Swapper {
 public:
  explicit Swapper(std::string filesystem) : filesystem_(std::move(filesystem)) {}

  void attach(pid_t pid) {
    if (!patience_.is_due(pid) || ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) != 0) return;
    bool stopped = ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 && is_stopped(pid);
    while (stopped && is_in_empty_tree("/proc/" + std::to_string(pid)) && !swapped_at(pid))
      stopped = ptrace(PTRACE_SYSCALL, pid, 0, 0) == 0 && is_stopped(pid);
    if (stopped) (void)ptrace(PTRACE_DETACH, pid, 0, 0);
  }

  std::string words() const { return "findings 0 swapped " + std::to_string(swapped_) + "\n"; }

 private:
  static bool is_stopped(pid_t pid) {
    int status = 0;
    return waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status);
  }

  bool swapped_at(pid_t pid) {
    __ptrace_syscall_info info{};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0) return false;
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_fsopen) return false;
    std::array<char, sizeof(long)> word{};
    filesystem_.copy(word.data(), word.size() - 1);
    long value = 0;
    std::memcpy(&value, word.data(), sizeof value);
    if (ptrace(PTRACE_POKEDATA, pid, info.entry.args[0], value) == 0) ++swapped_;
    return true;
  }

  const std::string filesystem_;
  Patience patience_;
  long swapped_ = 0;
};

// Writes over the times of steps that a process of minirun's keeps for --timing, or over where they are.
class Scribbler {
 public:
  explicit Scribbler(bool moves) : moves_(moves) {}

  void attach(pid_t pid) {
    if (!patience_.is_due(pid) || ptrace(PTRACE_SEIZE, pid, 0, 0) != 0) return;
    int status = 0;
    if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) != 0 || waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status)) return;
    if (scribble_in("/proc/" + std::to_string(pid))) ++scribbled_;
    (void)ptrace(PTRACE_DETACH, pid, 0, 0);
  }

  std::string words() const { return "findings 0 scribbled " + std::to_string(scribbled_) + "\n"; }

 private:
  bool scribble_in(const std::string& process) const {
    const uint64_t plan = address_of_plan(process);
    const int memory = plan == 0 ? -1 : open((process + "/mem").c_str(), O_RDWR | O_CLOEXEC);
    if (memory < 0) return false;
    minirun::PlanHeader header{};
    const auto at = static_cast<off_t>(plan);
    bool done = pread(memory, &header, sizeof header, at) == sizeof header && header.magic == minirun::kPlanMagic &&
                header.stamps != 0;
    if (done && moves_) {
      header.stamps = 0xfffff000;
      done = pwrite(memory, &header, sizeof header, at) == sizeof header;
    } else if (done) {
      for (uint32_t i = 0; i < header.step_count; i++)
        done = done && pwrite(memory, &kLies[i % kLies.size()], sizeof kLies[0],
                              at + header.stamps + static_cast<off_t>(i * sizeof kLies[0])) == sizeof kLies[0];
    }
    close(memory);
    return done;
  }

  static uint64_t address_of_plan(const std::string& process) {
    std::istringstream lines(slurp(process + "/maps"));
    for (std::string line; std::getline(lines, line);)
      if (line.find("/memfd:minirun-plan") != std::string::npos) return std::strtoull(line.c_str(), nullptr, 16);
    return 0;
  }

  static constexpr uint64_t kMost = ~uint64_t{0};
  static constexpr std::array<minirun::Stamp, 5> kLies = {
      {{kMost, kMost, kMost, kMost}, {1, kMost, 0, kMost}, {kMost, 1, kMost, 0}, {1, 2, 3, 4}, {0, kMost / 2, 0, 7}}};
  const bool moves_;
  Patience patience_;
  long scribbled_ = 0;
};

// Lets nothing go on that it has caught.
class Holder {
 public:
  void attach(pid_t pid) {
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 && ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0) ++held_;
  }
  std::string words() const { return "findings 0 held " + std::to_string(held_) + "\n"; }

 private:
  long held_ = 0;
};

template <class Attacker>
int attack(Attacker tracer) {
  const pid_t own = getpid();
  int last = open("/proc/sys/kernel/ns_last_pid", O_RDONLY | O_CLOEXEC);
  if (last < 0) broken("open ns_last_pid");
  (void)signal(SIGTERM, stop);
  say("ready\n");
  while (g_stop == 0) {
    std::array<char, 32> text{};
    if (pread(last, text.data(), text.size() - 1, 0) < 0) broken("read ns_last_pid");
    long newest = std::strtol(text.data(), nullptr, 10);
    for (long pid = newest - 1; pid <= newest + 2; ++pid)
      if (pid > 1 && pid != own) tracer.attach(static_cast<pid_t>(pid));
  }
  say(tracer.words());
  return 0;
}

}  // namespace

int trace(const Args& args) {
  if (args.empty()) return attack(Tracer());
  Tracer tracer;
  tracer.attach(static_cast<pid_t>(std::strtol(args.at(0).c_str(), nullptr, 10)));
  say(tracer.words());
  return tracer.found_only(Args(args.begin() + 1, args.end())) ? 0 : 1;
}

int swap_context(const Args& args) {
  return attack(Swapper(args.at(0)));
}

int scribble_times(const Args& args) {
  return attack(Scribbler(args.at(0) == "place"));
}

int hold(const Args&) {
  return attack(Holder());
}

}  // namespace payload
