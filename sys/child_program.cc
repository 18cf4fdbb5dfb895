// SPDX-License-Identifier: Apache-2.0
#include "sys/child_program.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <iterator>

#include "sys/file.h"
#include "sys/kernel_abi.h"
#include "sys/pidfd.h"
#include "sys/pipe.h"

namespace minirun {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kKillTime{10};

// Why the exec did not happen; the child writes it into the pipe.
struct StartFailure {
  enum class Step : int { prepare, descriptors, exec } step;
  const char* what;  // of prepare(): a constant, which has the same address in the caller
  int code;
};

// Everything that the child needs, made before the fork.
struct ProgramChild {
  const ProgramStart& start;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  int in, out, errors, report;
  pid_t caller;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  list.reserve(texts.size() + 1);
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));  // execve(2) changes none
  list.push_back(nullptr);
  return list;
}

[[noreturn]] void give_up(const ProgramChild& child, StartFailure::Step step, const char* what = nullptr) {
  StartFailure failure{step, what, errno};
  (void)!write(child.report, &failure, sizeof failure);
  _exit(127);
}

bool take_descriptors(const ProgramChild& child) {
  constexpr unsigned kCloseOnExec = 4;  // CLOSE_RANGE_CLOEXEC, Linux 5.11
  if (dup2(child.in, STDIN_FILENO) < 0 || dup2(child.out, STDOUT_FILENO) < 0 || dup2(child.errors, STDERR_FILENO) < 0)
    return false;
  if (syscall(SYS_close_range, 3U, ~0U, kCloseOnExec) < 0) return false;
  return std::all_of(child.start.kept_fds.begin(), child.start.kept_fds.end(),
                     [](int fd) { return fcntl(fd, F_SETFD, 0) == 0; });
}

// Ignored signals and the mask survive an exec (signal(7)).
void take_ordinary_signals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; number++) (void)sigaction(number, &action, nullptr);  // EINVAL: SIGKILL, SIGSTOP
  sigset_t none;
  sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void become(const ProgramChild& child) {
  if (child.start.dies_with_caller) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != child.caller) _exit(127);  // the caller ended before that
  }
  const char* failed = child.start.prepare ? child.start.prepare() : nullptr;
  if (failed != nullptr) give_up(child, StartFailure::Step::prepare, failed);
  if (!take_descriptors(child)) give_up(child, StartFailure::Step::descriptors);
  take_ordinary_signals();
  execve(child.start.path.c_str(), child.arguments.data(), child.environment.data());
  give_up(child, StartFailure::Step::exec);
}

// fork(2), but born in a cgroup and with a pidfd. 0: this is the child.
Result<pid_t> fork_into(int cgroup_fd, int* pidfd) {
  abi::CloneArguments arguments{};
  arguments.flags = CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<uintptr_t>(pidfd);
  arguments.exit_signal = SIGCHLD;
  if (cgroup_fd >= 0) {
    arguments.flags |= abi::kCloneIntoCgroup;
    arguments.cgroup = static_cast<uint64_t>(cgroup_fd);
  }
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return fail(errno, "clone3");
  return static_cast<pid_t>(pid);
}

// Appends available output to the text. False at the end of file.
Result<bool> take_output(int fd, const std::string& name, size_t most, std::string* text) {
  std::array<char, 65536> block;
  ssize_t n = read(fd, block.data(), block.size());
  if (n < 0 && errno == EINTR) return true;
  if (n < 0) return fail(errno, "read what {} prints", name);
  text->append(block.data(), static_cast<size_t>(n));
  if (text->size() > most) return fail(EFBIG, "{} prints more than {} bytes", name, most);
  return n > 0;
}

// Reads until the file or the program ends. A program may close its stdout and continue: wait() says when it has ended.
Result<std::string> read_output(const ChildProgram& program, int fd, const std::string& name, size_t most,
                                Clock::time_point deadline) {
  std::string text;
  for (bool ended = false;;) {
    auto left =
        ended ? std::chrono::milliseconds(0) : std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd polls[] = {{fd, POLLIN, 0}, {ended ? -1 : program.pidfd(), POLLIN, 0}};
    int ready = poll(polls, std::size(polls), static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return fail(errno, "poll");
    if (ready == 0 && !ended) return fail(ETIMEDOUT, "{} does not end", name);
    if (polls[0].revents == 0 && ended) return text;  // a process that it left behind may hold the other end
    if (polls[0].revents != 0 && !TRY(take_output(fd, name, most, &text))) return text;
    ended = ended || polls[1].revents != 0;
  }
}

}  // namespace

Result<ChildProgram> ChildProgram::start(const ProgramStart& start) {
  Pipe report = TRY(make_pipe());
  Pipe errors = TRY(make_pipe(O_NONBLOCK));
  UniqueFd null = TRY(open_at(AT_FDCWD, "/dev/null", O_RDWR));
  auto or_null = [&](int fd) { return fd < 0 ? null.get() : fd; };
  ProgramChild child{start,
                     pointers(start.arguments),
                     pointers(start.environment),
                     or_null(start.stdin_fd),
                     or_null(start.stdout_fd),
                     errors.writer.get(),
                     report.writer.get(),
                     getpid()};
  int pidfd = -1;
  pid_t pid = TRY(fork_into(start.cgroup_fd, &pidfd));
  if (pid == 0) become(child);
  return ChildProgram(start.name.empty() ? start.path : start.name, pid, pidfd, std::move(report.reader),
                      std::move(errors.reader));
}

ChildProgram::~ChildProgram() {
  if (!pidfd_) return;
  // Uses the pidfd, which always means this child: if another process has reaped it, nothing happens.
  auto there = send_signal(pidfd(), SIGKILL);
  if (there.ok() && *there) (void)await_end(pidfd(), Clock::now() + kKillTime);
  siginfo_t info{};
  (void)waitid(P_PIDFD, static_cast<id_t>(pidfd()), &info, WEXITED | WNOHANG);
}

Result<void> ChildProgram::executed() {
  StartFailure failure{};
  ssize_t n = 0;
  do {
    n = read(report_.get(), &failure, sizeof failure);  // end of file: its end is closed by the exec
  } while (n < 0 && errno == EINTR);
  if (n < 0) return fail(errno, "execute {}", name_);
  if (n != static_cast<ssize_t>(sizeof failure)) return {};
  if (failure.step == StartFailure::Step::prepare) return fail(failure.code, "{}", failure.what);
  if (failure.step == StartFailure::Step::exec) return fail(failure.code, "execute {}", name_);
  return fail(failure.code, "give {} its descriptors", name_);
}

Result<int> ChildProgram::wait(Clock::time_point deadline) {
  if (!TRY(await_end(pidfd(), deadline))) return fail(ETIMEDOUT, "{} does not end", name_);
  int status = 0;
  pid_t reaped = waitpid(pid_, &status, WNOHANG);
  if (reaped < 0) return fail(errno, "wait for {}", name_);
  if (reaped == 0) return fail(ErrorKind::host, "wait for {}: another process traces it", name_);
  return status;
}

std::string ChildProgram::errors() {
  char text[1024];
  ssize_t n = read(errors_.get(), text, sizeof text);  // EAGAIN: nothing
  std::string words(text, n < 0 ? 0 : static_cast<size_t>(n));
  while (!words.empty() && (words.back() == '\n' || words.back() == ' ')) words.pop_back();
  return words;
}

Result<ProgramOutcome> run_program(const ProgramStart& start, std::chrono::milliseconds time, size_t most_output) {
  auto deadline = Clock::now() + time;
  ProgramStart with_output = start;
  Pipe output;
  if (most_output > 0) {
    output = TRY(make_pipe());
    with_output.stdout_fd = output.writer.get();
  }
  ChildProgram program = TRY(ChildProgram::start(with_output));
  output.writer.reset();
  TRY(program.executed());
  ProgramOutcome outcome;
  const std::string& name = start.name.empty() ? start.path : start.name;
  if (output.reader) outcome.output = TRY(read_output(program, output.reader.get(), name, most_output, deadline));
  outcome.status = TRY(program.wait(deadline));
  outcome.errors = program.errors();
  return outcome;
}

std::string find_program(const std::string& name, std::string_view directories) {
  while (!directories.empty()) {
    std::string_view directory = directories.substr(0, directories.find(':'));
    directories.remove_prefix(std::min(directories.size(), directory.size() + 1));
    std::string candidate = std::string(directory) + "/" + name;
    if (directory.starts_with('/') && access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

std::vector<std::string> inherited_environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; variable++)
    variables.emplace_back(*variable);
  return variables;
}

std::string on_one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace minirun
