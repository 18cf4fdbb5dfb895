// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/background.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/supervise/signals.h"
#include "runtime/text/log.h"
#include "runtime/text/status_events.h"
#include "sys/close_range.h"
#include "sys/file.h"
#include "sys/pipe.h"

namespace minirun {
namespace {

constexpr char kEnd = '\0';

bool has_ended_by_now(pid_t child) {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

// Up to kEnd, or as far as it came before the end of the process: its watchdog may hold the pipe open. A request to
// give up goes on to the process in the background, which alone can heed it. What the host refuses is tried again: the
// container may be there by then, and an error would say that it is not.
Result<std::string> await_text(pid_t pid, int answer, Signals& signals) {
  constexpr int kMostFailures = 3;
  std::string text;
  for (int failures = 0; failures < kMostFailures;) {
    auto collected = signals.collect();
    if (!collected.ok()) ++failures;
    if (auto signal = signals.abort_request()) (void)kill(pid, *signal);  // its number until it is waited for
    while (!signals.empty()) signals.pop();
    bool ended = has_ended_by_now(pid);  // else SIGCHLD is still to come
    pollfd polls[] = {{answer, POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    if (poll(polls, std::size(polls), ended ? 0 : -1) < 0) {
      failures += errno == EINTR ? 0 : 1;
      continue;
    }
    if (polls[0].revents == 0 && ended) return text;
    if (polls[0].revents == 0) continue;
    char part[512];
    ssize_t n = read(answer, part, sizeof part);
    if (n > 0) text.append(part, static_cast<size_t>(n));
    if (n == 0 || text.ends_with(kEnd)) return text;
    failures += n < 0 && errno != EINTR ? 1 : 0;
  }
  (void)kill(pid, SIGTERM);
  return fail(ErrorKind::host, "the answer of the timekeeper cannot be read");
}

// The command's output, or its failure, which it has reported itself.
Result<Outcome> await_answer(pid_t pid, int answer, Signals& signals) {
  std::string text = TRY(await_text(pid, answer, signals));
  if (text.ends_with(kEnd)) return Outcome{0, text.substr(0, text.size() - 1)};
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return fail(errno, "wait for the process in the background");
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) return Outcome{WEXITSTATUS(status)};
  return fail(ErrorKind::host, "its timekeeper ended without an answer (wait status {})", status);
}

}  // namespace

Result<Outcome> Background::go_on(const GlobalOptions& global, const Descriptors& descriptors,
                                  const std::function<Result<Outcome>(Background&)>& work) {
  std::optional<Signals> signals = TRY(Signals::block());
  Pipe pipe = TRY(make_pipe());
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid < 0) return fail(errno, "fork the timekeeper");
  if (pid > 0) {
    pipe.writer.reset();
    return await_answer(pid, pipe.reader.get(), *signals);
  }
  signals.reset();
  pipe.reader.reset();
  close_log();
  std::vector<int> kept = {pipe.writer.get()};
  if (descriptors.status) kept.push_back(static_cast<int>(*descriptors.status));
  std::sort(kept.begin(), kept.end());
  // The caller's descriptors would otherwise stay open as long as the container lives.
  if (!close_all_but(kept, static_cast<unsigned>(3 + descriptors.handed_on)))
    return fail(errno, "close_range of the caller's descriptors");
  TRY(set_log_options({wants_debug(global), global.log_format == "json", global.log}));
  (void)prctl(PR_SET_NAME, "minirun-keeper");
  (void)setsid();  // cannot fail: a new process leads no group
  // An abort request, on which it undoes what was made.
  if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0) return fail(errno, "set a parent-death signal");
  if (getppid() != parent) return fail(ErrorKind::aborted, "given up: the calling minirun was killed");
  Background background(std::move(pipe.writer), descriptors);
  return work(background);
}

// An error can be reported until the answer is written. From there on no call may fail that matters.
Result<void> Background::answer(const std::string& out) {
  UniqueFd nowhere = TRY(open_at(AT_FDCWD, "/dev/null", O_RDWR));
  if (chdir("/") < 0) return fail(errno, "leave the caller's working directory");
  if (prctl(PR_SET_PDEATHSIG, 0) < 0) return fail(errno, "drop the parent-death signal");
  TRY(write_all(answer_.get(), out + kEnd, "the answer"));
  close_status_fd();
  close_log();
  for (int fd = 0; fd < 3; fd++) (void)dup2(nowhere.get(), fd);
  if (descriptors_.handed_on > 0)
    (void)syscall(SYS_close_range, 3U, static_cast<unsigned>(2 + descriptors_.handed_on), 0);
  answer_.reset();
  return {};
}

}  // namespace minirun
