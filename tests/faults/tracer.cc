// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/tracer.h"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>

#include "sys/fd.h"
#include "sys/result.h"
#include "tests/faults/calls.h"
#include "tests/support/command.h"

namespace minirun::testing {
namespace {

volatile sig_atomic_t g_time_is_over = 0;

void on_alarm(int) {
  g_time_is_over = 1;
}

[[noreturn]] void give_up(const char* what) {
  (void)fprintf(stderr, "fault_sweep: %s: %s\n", what, errno_text(errno).c_str());
  abort();
}

// One-shot, as the time limit of a command. Interrupts waitpid(2), as the handler is installed without SA_RESTART.
class TimeLimit {
 public:
  explicit TimeLimit(int seconds) {
    g_time_is_over = 0;
    struct sigaction action {};
    action.sa_handler = on_alarm;
    (void)sigaction(SIGALRM, &action, nullptr);
    set(seconds);
  }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;
  ~TimeLimit() { set(0); }

 private:
  // Again and again from then on: the signal may come between the look at the flag and waitpid(2).
  static void set(int seconds) {
    itimerval timer{{seconds > 0 ? 1 : 0, 0}, {seconds, 0}};
    (void)setitimer(ITIMER_REAL, &timer, nullptr);
  }
};

std::string program_of(pid_t pid) {
  std::array<char, 4096> path{};
  std::string link = "/proc/" + std::to_string(pid) + "/exe";
  ssize_t n = readlink(link.c_str(), path.data(), path.size() - 1);
  std::string name = n < 0 ? "?" : path.data();
  return name.substr(name.rfind('/') + 1);
}

class Tracer {
 public:
  Tracer(const TracedCommand& command, const Fault& fault) : fault_(fault) { start(command); }
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  Traced follow();

 private:
  // Of the call that it is in.
  struct Tracee {
    std::optional<long> result;                  // what it is to return
    std::optional<unsigned long long> restored;  // its first argument, which was changed: calls leave it as it was
    bool is_refused() const { return result || restored; }
  };

  void start(const TracedCommand& command);
  bool look(pid_t pid, int status);
  void on_call(pid_t pid);
  void on_entry(pid_t pid, const __ptrace_syscall_info& info);
  void do_fault(pid_t pid, const __ptrace_syscall_info& info);
  void refuse(pid_t pid, long result);
  void ask_for_break(pid_t pid);
  void resume(pid_t pid, int signal) const;
  void detach(pid_t pid, int signal);
  void kill_all();
  void let_go_of_the_rest();

  const Fault& fault_;
  pid_t root_ = -1;
  bool counting_ = false;
  bool killed_ = false;
  std::map<pid_t, Tracee> tracees_;
  Traced traced_;
};

void Tracer::start(const TracedCommand& command) {
  int go[2];
  if (pipe2(go, O_CLOEXEC) < 0) give_up("pipe2");
  UniqueFd wait(go[0]), report(go[1]);
  root_ = fork();
  if (root_ < 0) give_up("fork");
  if (root_ == 0) {
    std::vector<char*> argv;
    for (const std::string& word : command.argv) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    char* environment[] = {path, nullptr};
    char byte = 0;
    report.reset();
    if (read(wait.get(), &byte, 1) < 0) _exit(98);
    int in = open("/dev/null", O_RDONLY);
    if (dup2(in, 0) < 0 || dup2(command.stdout_fd, 1) < 0 || dup2(command.stderr_fd, 2) < 0) _exit(98);
    if (in > 2) close(in);
    if (command.status_fd >= 0 && dup2(command.status_fd, kStatusFd) < 0) _exit(98);
    execve(argv[0], argv.data(), environment);
    _exit(98);
  }
  // EXITKILL: a killed tracer leaves no process stopped forever.
  constexpr long kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                            PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SEIZE, root_, 0, kOptions) < 0) give_up("PTRACE_SEIZE");
  tracees_[root_];
}

// All ptrace(2) calls on a tracee fail with ESRCH when it was killed meanwhile: its end is reported next.
void Tracer::resume(pid_t pid, int signal) const {
  bool calls_matter = !traced_.faulted || fault_.kind == Fault::Kind::missing || tracees_.at(pid).is_refused();
  (void)ptrace(calls_matter ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, signal);
}

void Tracer::detach(pid_t pid, int signal) {
  (void)ptrace(PTRACE_DETACH, pid, 0, signal);
  tracees_.erase(pid);
}

void Tracer::kill_all() {
  killed_ = true;
  for (const auto& [pid, tracee] : tracees_) (void)kill(pid, SIGKILL);  // attached: the number is its own
}

// The call is not done; `result` is what it returns.
void Tracer::refuse(pid_t pid, long result) {
  user_regs_struct registers{};
  if (ptrace(PTRACE_GETREGS, pid, 0, &registers) < 0) return;
  registers.orig_rax = ~0ULL;
  (void)ptrace(PTRACE_SETREGS, pid, 0, &registers);
  tracees_[pid].result = result;
}

// brk(2) fails by returning the present break.
void Tracer::ask_for_break(pid_t pid) {
  user_regs_struct registers{};
  if (ptrace(PTRACE_GETREGS, pid, 0, &registers) < 0) return;
  tracees_[pid].restored = registers.rdi;
  registers.rdi = 0;
  (void)ptrace(PTRACE_SETREGS, pid, 0, &registers);
}

void Tracer::do_fault(pid_t pid, const __ptrace_syscall_info& info) {
  auto number = static_cast<long>(info.entry.nr);
  traced_.where = std::string(call_of(number).name) + " of " + program_of(pid);
  if (fault_.kind == Fault::Kind::kill) {
    traced_.faulted = true;
    if (fault_.victim == Victim::all) return kill_all();
    (void)kill(fault_.victim == Victim::caller ? pid : root_, SIGKILL);
    return;
  }
  if (fault_.kind == Fault::Kind::ask) {
    traced_.faulted = true;
    (void)kill(root_, SIGTERM);
    return;
  }
  std::vector<int> errors = errors_of(number, info.entry.args);
  if (fault_.error >= errors.size()) return;
  traced_.faulted = true;
  int error = errors[fault_.error];
  traced_.where += ": " + errno_text(error);
  if (number == SYS_close) {  // the descriptor is gone in any case (close(2))
    tracees_[pid].result = -error;
  } else if (number == SYS_brk) {
    ask_for_break(pid);
  } else {
    refuse(pid, -error);
  }
}

void Tracer::on_entry(pid_t pid, const __ptrace_syscall_info& info) {
  auto number = static_cast<long>(info.entry.nr);
  if (fault_.kind == Fault::Kind::missing) {
    if (number != fault_.number) return;
    if (!traced_.faulted) traced_.where = std::string(call_of(number).name) + " of " + program_of(pid);
    traced_.faulted = true;
    return refuse(pid, -ENOSYS);
  }
  if (traced_.faulted) return;
  traced_.calls.push_back(number);
  if (fault_.kind != Fault::Kind::none && traced_.calls.size() == fault_.at) do_fault(pid, info);
}

void Tracer::on_call(pid_t pid) {
  __ptrace_syscall_info info{};
  if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0) return;
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    if (counting_) on_entry(pid, info);
    return;
  }
  Tracee& tracee = tracees_[pid];
  if (!tracee.is_refused()) return;
  user_regs_struct registers{};
  if (ptrace(PTRACE_GETREGS, pid, 0, &registers) == 0) {
    if (tracee.result) registers.rax = static_cast<unsigned long long>(*tracee.result);
    if (tracee.restored) registers.rdi = *tracee.restored;
    (void)ptrace(PTRACE_SETREGS, pid, 0, &registers);
  }
  tracee = Tracee();
}

// One report of waitpid(2). False when the command has ended.
bool Tracer::look(pid_t pid, int status) {
  if (!WIFSTOPPED(status)) {
    tracees_.erase(pid);
    if (pid != root_) return true;
    traced_.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return false;
  }
  tracees_[pid];
  if (killed_) (void)kill(pid, SIGKILL);  // born when the others were killed
  int signal = WSTOPSIG(status);
  int event = status >> 16;
  if (event == PTRACE_EVENT_EXEC) {
    counting_ = true;
    if (pid != root_ && program_of(pid) == "payload") {
      detach(pid, 0);
      return true;
    }
  } else if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE) {
    unsigned long child = 0;
    if (ptrace(PTRACE_GETEVENTMSG, pid, 0, &child) == 0) tracees_[static_cast<pid_t>(child)];
  } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {  // stopped by a signal, as it would be without a tracer
    (void)ptrace(PTRACE_LISTEN, pid, 0, 0);
    return true;
  } else if (signal == (SIGTRAP | 0x80)) {
    on_call(pid);
  } else if (event == 0) {
    resume(pid, signal);
    return true;
  }
  resume(pid, 0);
  return true;
}

// Until no child is left (ECHILD), not until all known ones are detached: the report of a birth is lost if the parent
// is killed in that call, and a process killed before its detach must still be reaped.
void Tracer::let_go_of_the_rest() {
  for (const auto& [pid, tracee] : tracees_) (void)ptrace(PTRACE_INTERRUPT, pid, 0, 0);
  for (;;) {
    int status = 0;
    pid_t pid = waitpid(-1, &status, __WALL);
    if (pid < 0 && errno == EINTR) {
      if (g_time_is_over != 0) kill_all();
      continue;
    }
    if (pid < 0) break;
    if (!WIFSTOPPED(status)) {
      tracees_.erase(pid);
      continue;
    }
    int event = status >> 16;
    unsigned long child = 0;
    bool born = event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE;
    if (born && ptrace(PTRACE_GETEVENTMSG, pid, 0, &child) == 0) tracees_[static_cast<pid_t>(child)];
    auto known = tracees_.find(pid);
    // The result of a call that was refused has still to be put in its place.
    if (known != tracees_.end() && known->second.is_refused() && WSTOPSIG(status) == (SIGTRAP | 0x80)) on_call(pid);
    bool plain = event == 0 && WSTOPSIG(status) != (SIGTRAP | 0x80);
    detach(pid, plain ? WSTOPSIG(status) : 0);
  }
}

Traced Tracer::follow() {
  bool timed_out = false;
  for (bool alive = true; alive;) {
    int status = 0;
    pid_t pid = waitpid(-1, &status, __WALL);
    if (pid < 0 && errno != EINTR) give_up("waitpid");
    if (g_time_is_over != 0 && !timed_out) {
      timed_out = true;
      kill_all();
    }
    if (pid > 0) alive = look(pid, status);
  }
  let_go_of_the_rest();
  if (timed_out) traced_.code = kTimedOut;
  return std::move(traced_);
}

}  // namespace

Traced run_traced(const TracedCommand& command, const Fault& fault) {
  TimeLimit limit(command.seconds);
  Tracer tracer(command, fault);
  return tracer.follow();
}

}  // namespace minirun::testing
