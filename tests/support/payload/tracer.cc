// A tracer inside a container: attaches to every process that it can name, and tells what it could take from it.
#include <dirent.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <set>
#include <sstream>

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

bool same_root(const std::string& process) {
  struct stat theirs {
  }, own{};
  if (stat((process + "/root/").c_str(), &theirs) != 0) return true;  // it is gone
  return stat("/", &own) == 0 && own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino;
}

class Tracer {
 public:
  void attach(pid_t pid) {
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0) return;
    ++attached_;
    int status = 0;
    if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 && waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
      look_at("/proc/" + std::to_string(pid));
      (void)ptrace(PTRACE_DETACH, pid, 0, 0);
    }
  }

  std::string words() const {
    std::string line = "attached " + std::to_string(attached_) + " before " + std::to_string(before_) + " findings " +
                       std::to_string(findings_.size());
    for (const std::string& finding : findings_) line += " [" + finding + "]";
    return line + "\n";
  }

 private:
  void look_at(const std::string& process) {
    const std::string program = target(process + "/exe");
    if (program.empty() || program == kOwnProgram) return;  // it has executed its program, or is gone
    ++before_;
    if (program.rfind("/memfd:minirun-init", 0) != 0) findings_.insert("program " + program);
    if (!same_root(process)) findings_.insert("root");
    if ((field(process, "CapPrm", 16) & ~own_capabilities_) != 0) findings_.insert("capabilities");
    if (field(process, "Seccomp", 10) < own_filter_ || field(process, "Seccomp_filters", 10) < own_filters_)
      findings_.insert("filter");
    for (int fd = 3; fd < 64; ++fd) {
      const std::string name = target(process + "/fd/" + std::to_string(fd));
      if (!name.empty()) findings_.insert("descriptor " + name);
    }
  }

  static constexpr const char* kOwnProgram = "/bin/payload";
  const uint64_t own_capabilities_ = field("/proc/self", "CapBnd", 16);
  const uint64_t own_filter_ = field("/proc/self", "Seccomp", 10);
  const uint64_t own_filters_ = field("/proc/self", "Seccomp_filters", 10);
  long attached_ = 0, before_ = 0;
  std::set<std::string> findings_;
};

}  // namespace

int trace(const Args&) {
  Tracer tracer;
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

}  // namespace payload
