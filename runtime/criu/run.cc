// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/run.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string_view>

#include "runtime/criu/arguments.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/supervise/subreaper.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/kernel_abi.h"
#include "sys/memory_file.h"
#include "sys/pidfd.h"
#include "sys/pipe.h"

namespace minirun {
namespace {

// What the child does before its exec, and where it can fail.
enum class Stage : int { namespaces, mounts, root, descriptors, exec };

struct Failure {
  Stage stage;
  int code;
};

const char* describe(Stage stage) {
  switch (stage) {
    case Stage::namespaces:
      return "unshare namespaces for criu";
    case Stage::mounts:
      return "make the mounts of criu its own";
    case Stage::root:
      return "mount the root filesystem for criu";
    case Stage::descriptors:
      return "give criu its descriptors";
    case Stage::exec:
      return "execute criu";
  }
  return "start criu";
}

// Everything that the child needs, made before it is there.
struct ChildFacts {
  const CriuRun& run;
  std::vector<char*> argv;
  std::vector<char*> environment;
  int null;
  int errors;
  int report;
};

[[noreturn]] void give_up(const ChildFacts& facts, Stage stage) {
  Failure failure{stage, errno};
  (void)!write(facts.report, &failure, sizeof failure);
  _exit(127);
}

// First slaves, so that the host sees nothing of what criu mounts, then shared: a mount of the container is to be the
// slave of one out here, and criu makes it so from the source's group (MOVE_MOUNT_SET_GROUP).
void make_mounts(const ChildFacts& facts) {
  int flags = CLONE_NEWNS | (facts.run.cgroup_namespace ? CLONE_NEWCGROUP : 0);
  if (unshare(flags) < 0) give_up(facts, Stage::namespaces);
  const char* root = facts.run.rootfs.c_str();
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0) give_up(facts, Stage::mounts);
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr) < 0) give_up(facts, Stage::mounts);
  if (mount(root, root, nullptr, MS_BIND | MS_REC, nullptr) < 0) give_up(facts, Stage::root);
}

[[noreturn]] void be_criu(const ChildFacts& facts) {
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!facts.run.rootfs.empty()) make_mounts(facts);
  bool ready = dup2(facts.null, STDIN_FILENO) == STDIN_FILENO && dup2(facts.null, STDOUT_FILENO) == STDOUT_FILENO &&
               dup2(facts.errors, STDERR_FILENO) == STDERR_FILENO;
  for (int fd : facts.run.kept_fds) ready = ready && fcntl(fd, F_SETFD, 0) == 0;
  if (!ready) give_up(facts, Stage::descriptors);
  sigset_t none;
  sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(facts.run.program.c_str(), facts.argv.data(), facts.environment.data());
  give_up(facts, Stage::exec);
}

struct Process {
  pid_t pid = 0;  // 0: this is it
  UniqueFd pidfd;
};

// As fork(2), born in a cgroup.
Result<Process> fork_into(int cgroup_fd) {
  int pidfd = -1;
  abi::CloneArguments arguments{};
  arguments.flags = CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<uintptr_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  if (cgroup_fd >= 0) {
    arguments.flags |= abi::kCloneIntoCgroup;
    arguments.cgroup = static_cast<uint64_t>(cgroup_fd);
  }
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return fail(errno, "clone3");
  return Process{static_cast<pid_t>(pid), UniqueFd(pid == 0 ? -1 : pidfd)};
}

std::string read_errors(int fd) {
  char text[1024];
  ssize_t n = pread(fd, text, sizeof text, 0);
  std::string errors(text, n < 0 ? 0 : static_cast<size_t>(n));
  while (!errors.empty() && errors.back() == '\n') errors.pop_back();
  std::replace(errors.begin(), errors.end(), '\n', ' ');
  return errors;
}

Result<void> judge(const CriuRun& run, int status, int errors) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  constexpr size_t kMostLog = size_t{64} << 20;
  auto log = read_file(AT_FDCWD, run.log, kMostLog);
  std::string why = log.ok() ? criu_errors(*log) : "";
  if (why.empty()) why = read_errors(errors);  // it ended before it had a log
  if (why.empty()) why = "it does not say why";
  std::string how = WIFSIGNALED(status) ? fmt::format("was killed by signal {}", WTERMSIG(status))
                                        : fmt::format("ended with status {}", WEXITSTATUS(status));
  return fail(ErrorKind::setup, "criu {}: {}: {} (see {})", run.arguments.empty() ? "" : run.arguments[0], how, why,
              run.log);
}

std::vector<std::string> environment() {
  std::vector<std::string> variables = {"PATH=" + criu_search_path()};
  for (char** variable = environ; *variable != nullptr; variable++)
    if (!std::string_view(*variable).starts_with("PATH=")) variables.emplace_back(*variable);
  return variables;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  list.reserve(strings.size() + 1);
  for (std::string& text : strings) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

enum class Event { ended, spoke };

// The next of criu, which speaks by writing to `word` (-1: it does not). Errors: a signal asks to give up.
Result<Event> await(int criu_pidfd, int word, Signals* signals) {
  for (;;) {
    if (signals != nullptr) {
      TRY(signals->collect());
      if (auto signal = signals->abort_request()) return given_up(*signal);
    }
    pollfd polls[] = {{word, POLLIN, 0}, {criu_pidfd, POLLIN, 0}, {signals ? signals->fd() : -1, POLLIN, 0}};
    int n = poll(polls, std::size(polls), -1);
    if (n < 0 && errno != EINTR) return fail(errno, "wait for criu");
    if (n > 0 && polls[2].revents != 0) continue;  // first: a terminal's ^C is for criu, too
    if (n > 0 && (polls[0].revents & POLLIN) != 0) return Event::spoke;
    if (n > 0 && polls[1].revents != 0) return Event::ended;
  }
}

// A way for criu to say where it is and to wait for an answer.
class Rendezvous {
 public:
  static Result<Rendezvous> make() {
    Rendezvous made;
    made.word_ = TRY(make_pipe());
    made.answer_ = TRY(make_pipe());
    // criu closes all descriptors of those that it starts: they find these as minirun's.
    std::string script = fmt::format(
        "#!/bin/sh\n[ \"$CRTOOLS_SCRIPT_ACTION\" != setup-namespaces ] || {{\n"
        "echo \"$CRTOOLS_INIT_PID\" > {} && read -r answer < {} && [ \"$answer\" = go ]\n}}\n",
        own_file(made.word_.writer.get()), own_file(made.answer_.reader.get()));
    made.script_ = TRY(executable_memory_file("restore"));
    TRY(write_all(made.script_.get(), script, "a script for criu"));
    TRY(seal_memory_file(made.script_.get()));
    return made;
  }

  // A program that criu calls, with CRTOOLS_SCRIPT_ACTION and CRTOOLS_INIT_PID (criu(8), "--action-script").
  std::string script() const { return own_file(script_.get()); }

  // Readable when criu has said it. Borrowed.
  int word() const { return word_.reader.get(); }

  // It has an answer in any case: with one of no it ends the restore itself.
  Result<void> answer(const std::function<Result<void>(pid_t)>& namespaces_made) {
    auto done = hear(namespaces_made);
    auto answered = write_all(answer_.writer.get(), done.ok() ? "go\n" : "no\n", "the answer to criu");
    return done.ok() ? answered : done;
  }

 private:
  Rendezvous() = default;

  static std::string own_file(int fd) { return fmt::format("/proc/{}/fd/{}", getpid(), fd); }

  Result<void> hear(const std::function<Result<void>(pid_t)>& namespaces_made) {
    char text[32];
    ssize_t n = read(word_.reader.get(), text, sizeof text - 1);
    text[n < 0 ? 0 : n] = '\0';
    long pid = strtol(text, nullptr, 10);
    if (pid <= 1) return fail(ErrorKind::setup, "criu says that the container's first process is \"{}\"", text);
    return namespaces_made(static_cast<pid_t>(pid));
  }

  Pipe word_, answer_;  // criu opens its ends by their names in /proc
  UniqueFd script_;
};

// Until criu has ended. The answer no makes it end the restore itself.
Result<void> attend(const CriuRun& run, const Process& criu, Rendezvous* rendezvous, Subreaper* subreaper) {
  int pidfd = criu.pidfd.get();
  Event event = TRY(await(pidfd, rendezvous != nullptr ? rendezvous->word() : -1, run.signals));
  if (event == Event::ended) return {};
  auto answered = rendezvous->answer([&](pid_t pid) -> Result<void> {
    if (subreaper == nullptr) return run.namespaces_made(pid);
    // criu stands still: who is new afterwards is of the hooks, and what those leave behind stays.
    auto made = TRY(Subreaper::look());
    auto done = run.namespaces_made(pid);
    TRY(subreaper->spare_others(made));
    return done;
  });
  TRY(await(pidfd, -1, run.signals));
  return answered;
}

Result<int> reap(const Process& criu) {
  constexpr std::chrono::seconds kKillTime{10};
  bool ended = TRY(await_end(criu.pidfd.get(), std::chrono::steady_clock::now() + kKillTime));
  if (!ended) return fail(ErrorKind::setup, "criu does not end after SIGKILL");
  int status = TRY(status_of_ended(criu.pidfd.get(), criu.pid));
  reap_ended(criu.pidfd.get());
  return status;
}

// Its wait status. Where that is another than 0, or unknown, nothing of what it has started stays.
Result<int> wait_for(const CriuRun& run, const Process& criu, Rendezvous* rendezvous, Subreaper* subreaper) {
  auto attended = attend(run, criu, rendezvous, subreaper);
  if (!attended.ok()) (void)kill(criu.pid, SIGKILL);  // not reaped yet
  auto status = reap(criu);
  if (attended.ok() && status.ok() && *status == 0) return status;
  bool gone = subreaper == nullptr || subreaper->kill_new();
  if (attended.ok() && gone) return status;
  Error error = attended.ok() ? fail(ErrorKind::setup, "criu has failed") : attended.error();
  if (!gone) error.message += " (a process of it does not end after SIGKILL)";
  return error;
}

}  // namespace

Result<void> run_criu(const CriuRun& run) {
  UniqueFd null = TRY(open_at(AT_FDCWD, "/dev/null", O_RDWR));
  UniqueFd errors = TRY(memory_file("criu-stderr"));
  Pipe report = TRY(make_pipe());
  (void)unlink(run.log.c_str());  // errors of an earlier run must not be reported again
  std::vector<std::string> words = run.arguments;
  words.insert(words.begin(), run.program);
  std::optional<Rendezvous> rendezvous;
  if (run.namespaces_made) {
    rendezvous.emplace(TRY(Rendezvous::make()));
    words.insert(words.end(), {"--action-script", rendezvous->script()});
  }
  std::vector<std::string> variables = environment();
  ChildFacts facts{run, pointers(words), pointers(variables), null.get(), errors.get(), report.writer.get()};
  std::optional<Subreaper> subreaper;
  if (run.signals != nullptr) subreaper.emplace();
  if (subreaper) TRY(subreaper->ready());
  Process criu = TRY(fork_into(run.cgroup_fd));
  if (criu.pid == 0) be_criu(facts);
  report.writer.reset();
  auto status = wait_for(run, criu, rendezvous ? &*rendezvous : nullptr, subreaper ? &*subreaper : nullptr);
  if (!status.ok()) return status.error();
  Failure failure{};
  ssize_t n = 0;
  do {
    n = read(report.reader.get(), &failure, sizeof failure);  // end of file: criu was executed
  } while (n < 0 && errno == EINTR);
  if (n == static_cast<ssize_t>(sizeof failure)) return fail(failure.code, "{}", describe(failure.stage));
  return judge(run, *status, errors.get());
}

}  // namespace minirun
