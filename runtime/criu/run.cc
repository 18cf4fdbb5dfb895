// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/run.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iterator>
#include <optional>

#include "runtime/criu/arguments.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/supervise/subreaper.h"
#include "sys/child_program.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/memory_file.h"
#include "sys/pidfd.h"
#include "sys/pipe.h"

namespace minirun {
namespace {

// Runs in the child before its exec. Makes the mounts slaves, so that the host sees nothing of what criu mounts, and
// then shared: a container's mount may be a slave of one out here, which criu makes from the source's group
// (MOVE_MOUNT_SET_GROUP).
const char* make_mounts(const CriuRun& run) {
  int flags = CLONE_NEWNS | (run.cgroup_namespace ? CLONE_NEWCGROUP : 0);
  if (unshare(flags) < 0) return "unshare namespaces for criu";
  constexpr const char* kOwn = "make the mounts of criu its own";
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) < 0) return kOwn;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr) < 0) return kOwn;
  const char* root = run.rootfs.c_str();
  if (mount(root, root, nullptr, MS_BIND | MS_REC, nullptr) < 0) return "mount the root filesystem for criu";
  return nullptr;
}

Result<void> judge(const CriuRun& run, int status, ChildProgram& criu) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  constexpr size_t kMostLog = size_t{64} << 20;
  auto log = read_file(AT_FDCWD, run.log, kMostLog);
  std::string why = log.ok() ? criu_errors(*log) : "";
  if (why.empty()) why = on_one_line(criu.errors());  // it ended before it made a log
  if (why.empty()) why = "it does not say why";
  std::string how = WIFSIGNALED(status) ? fmt::format("was killed by signal {}", WTERMSIG(status))
                                        : fmt::format("ended with status {}", WEXITSTATUS(status));
  return fail(ErrorKind::setup, "criu {}: {}: {} (see {})", run.arguments.empty() ? "" : run.arguments[0], how, why,
              run.log);
}

std::vector<std::string> criu_environment() {
  std::vector<std::string> variables = inherited_environment();
  std::erase_if(variables, [](const std::string& variable) { return variable.starts_with("PATH="); });
  variables.push_back("PATH=" + criu_search_path());
  return variables;
}

enum class Event { ended, spoke };

// The next event of criu, which reports by writing to `word` (-1: it does not). Errors: an abort request.
Result<Event> await(int criu_pidfd, int word, Signals* signals) {
  for (;;) {
    if (signals != nullptr) TRY(signals->check_abort());
    pollfd polls[] = {{word, POLLIN, 0}, {criu_pidfd, POLLIN, 0}, {signals ? signals->fd() : -1, POLLIN, 0}};
    int n = poll(polls, std::size(polls), -1);
    if (n < 0 && errno != EINTR) return fail(errno, "wait for criu");
    if (n > 0 && polls[2].revents != 0) continue;  // the signal first: a terminal's ^C also reaches criu
    if (n > 0 && (polls[0].revents & POLLIN) != 0) return Event::spoke;
    if (n > 0 && polls[1].revents != 0) return Event::ended;
  }
}

// Lets criu report its progress and wait for an answer.
class Rendezvous {
 public:
  static Result<Rendezvous> make() {
    Rendezvous made;
    made.word_ = TRY(make_pipe());
    made.answer_ = TRY(make_pipe());
    // criu closes all descriptors of the programs that it starts, so they open these through minirun's.
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

  // Readable when criu has reported. Borrowed.
  int word() const { return word_.reader.get(); }

  // Always answers; on "no" criu itself ends the restore.
  Result<void> answer(const std::function<Result<void>(pid_t)>& namespaces_made) {
    auto done = run_callback(namespaces_made);
    auto answered = write_all(answer_.writer.get(), done.ok() ? "go\n" : "no\n", "the answer to criu");
    return done.ok() ? answered : done;
  }

 private:
  Rendezvous() = default;

  static std::string own_file(int fd) { return fmt::format("/proc/{}/fd/{}", getpid(), fd); }

  Result<void> run_callback(const std::function<Result<void>(pid_t)>& namespaces_made) {
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

// Returns when criu has ended.
Result<void> attend(const CriuRun& run, const ChildProgram& criu, Rendezvous* rendezvous, Subreaper* subreaper) {
  int pidfd = criu.pidfd();
  Event event = TRY(await(pidfd, rendezvous != nullptr ? rendezvous->word() : -1, run.signals));
  if (event == Event::ended) return {};
  auto answered = rendezvous->answer([&](pid_t pid) -> Result<void> {
    if (subreaper == nullptr) return run.namespaces_made(pid);
    // criu waits, so any new child is a hook's, and processes that hooks leave behind stay.
    auto made = TRY(own_children());
    auto done = run.namespaces_made(pid);
    TRY(subreaper->spare_others(made));
    return done;
  });
  TRY(await(pidfd, -1, run.signals));
  return answered;
}

// If its tracer keeps it, its status is still known.
Result<int> reap(const ChildProgram& criu) {
  constexpr std::chrono::seconds kKillTime{10};
  bool ended = TRY(await_end(criu.pidfd(), std::chrono::steady_clock::now() + kKillTime));
  if (!ended) return fail(ErrorKind::setup, "criu does not end after SIGKILL");
  int status = TRY(status_of_ended(criu.pidfd(), criu.pid()));
  reap_ended(criu.pidfd());
  return status;
}

// Its wait status. Unless that is 0, kills everything that it has started.
Result<int> wait_for(const CriuRun& run, const ChildProgram& criu, Rendezvous* rendezvous, Subreaper* subreaper) {
  auto attended = attend(run, criu, rendezvous, subreaper);
  if (!attended.ok()) (void)send_signal(criu.pidfd(), SIGKILL);
  auto status = reap(criu);
  if (attended.ok() && status.ok() && *status == 0) return status;
  bool gone = subreaper == nullptr || subreaper->kill_new();
  if (attended.ok() && gone) return status;
  Error error = attended.ok() ? fail(ErrorKind::setup, "criu has failed") : attended.error();
  if (!gone) error.message += " (one of its processes does not end after SIGKILL)";
  return error;
}

}  // namespace

Result<void> run_criu(const CriuRun& run) {
  (void)unlink(run.log.c_str());  // errors of an earlier run must not be reported again
  ProgramStart start;
  start.path = run.program;
  start.name = "criu";
  start.arguments = run.arguments;
  start.arguments.insert(start.arguments.begin(), run.program);
  std::optional<Rendezvous> rendezvous;
  if (run.namespaces_made) {
    rendezvous.emplace(TRY(Rendezvous::make()));
    start.arguments.insert(start.arguments.end(), {"--action-script", rendezvous->script()});
  }
  start.environment = criu_environment();
  start.kept_fds = run.kept_fds;
  start.cgroup_fd = run.cgroup_fd;
  start.dies_with_caller = true;
  if (!run.rootfs.empty()) start.prepare = [&run] { return make_mounts(run); };
  std::optional<Subreaper> subreaper;
  if (run.signals != nullptr) subreaper.emplace();
  if (subreaper) TRY(subreaper->ready());
  ChildProgram criu = TRY(ChildProgram::start(start));
  auto status = wait_for(run, criu, rendezvous ? &*rendezvous : nullptr, subreaper ? &*subreaper : nullptr);
  if (!status.ok()) return status.error();
  TRY(criu.executed());  // returns at once: it has ended
  return judge(run, *status, criu);
}

}  // namespace minirun
