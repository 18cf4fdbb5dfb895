// SPDX-License-Identifier: Apache-2.0
#include "runtime/hooks/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "namespaces/init_program.h"
#include "namespaces/sources.h"
#include "namespaces/spawn.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/supervise/init_channel.h"
#include "runtime/supervise/subreaper.h"
#include "runtime/text/shown.h"
#include "sys/file.h"
#include "sys/memory_file.h"
#include "sys/pidfd.h"
#include "sys/pipe.h"

namespace minirun {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kKillTime{10};
constexpr size_t kMaxTold = 4096;

Result<UniqueFd> file_with(const std::string& text) {
  UniqueFd fd = TRY(memory_file("state"));
  if (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      lseek(fd.get(), 0, SEEK_SET) != 0)
    return fail(errno, "write the state for a hook");
  return fd;
}

// O_NONBLOCK: opening a FIFO must not wait for a reader.
Result<UniqueFd> open_output(const std::string& path) {
  UniqueFd fd = TRY(open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_NONBLOCK, 0600));
  if (fcntl(fd.get(), F_SETFL, O_APPEND) < 0) return fail(errno, "open {}", path);
  return fd;
}

struct Stdio {
  UniqueFd in, out, error;
  UniqueFd reader;  // for output without a file

  static Result<Stdio> make(const HookRun& hook) {
    Stdio made;
    made.in = TRY(file_with(hook.state));
    Pipe pipe = TRY(make_pipe());
    made.reader = std::move(pipe.reader);
    if (fcntl(made.reader.get(), F_SETFL, O_NONBLOCK) < 0) return fail(errno, "set up a pipe");
    for (auto [file, fd] : {std::pair(&hook.stdout_file, &made.out), std::pair(&hook.stderr_file, &made.error)}) {
      if (!file->empty()) {
        *fd = TRY(open_output(*file));
        continue;
      }
      *fd = UniqueFd::duplicate(pipe.writer.get());
      if (!*fd) return fail(errno, "duplicate a descriptor");
    }
    return made;
  }
};

class Running {
 public:
  Running(const HookRun& hook, Signals& signals, Child child, UniqueFd output)
      : hook_(hook), signals_(signals), child_(std::move(child)), output_(std::move(output)) {}

  // The failure; nothing on success.
  Result<std::optional<Error>> wait();

 private:
  Result<bool> turn(std::optional<Clock::time_point> deadline);
  Result<void> read_control();
  Result<bool> take_place();
  void read_output(size_t max_bytes);
  Result<std::optional<Error>> reap();
  std::string output_text() const;

  const HookRun& hook_;
  Signals& signals_;
  Child child_;
  UniqueFd output_;
  std::string text_;  // the end of its output
  std::optional<Error> stopped_;
};

void Running::read_output(size_t max_bytes) {
  std::array<char, 65536> block;
  for (size_t got = 0; output_ && got < max_bytes;) {
    ssize_t n = read(output_.get(), block.data(), block.size());
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) output_.reset();
    if (n <= 0) return;
    got += static_cast<size_t>(n);
    text_.append(block.data(), static_cast<size_t>(n));
    if (text_.size() > kMaxTold) text_.erase(0, text_.size() - kMaxTold);
  }
}

Result<void> Running::read_control() {
  auto received = TRY(try_receive(child_.control.get()));
  if (!received) return {};
  bool message = received->kind == Received::Kind::message;
  if (message && received->envelope.message == Message::ready) return hook_.serve_listener(child_);
  bool failed = message && received->envelope.message == Message::failed;
  if (failed) stopped_ = step_error(*hook_.plan, child_.memory.report());
  child_.control.reset();  // it has been executed, or has failed and waits for this
  return {};
}

// The outer process has ended: the hook has executed its program, or failed.
Result<bool> Running::take_place() {
  if (child_.control) TRY(read_control());
  bool arrived = TRY(arrive(&child_));
  if (!stopped_ && child_.memory.report().state == kFailed) stopped_ = step_error(*hook_.plan, child_.memory.report());
  return arrived;
}

// Waits once. False if it has ended, or must end.
Result<bool> Running::turn(std::optional<Clock::time_point> deadline) {
  constexpr int64_t kLongest = 3600000;
  int64_t left = -1;
  if (deadline) {
    left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
    if (left <= 0) stopped_ = fail(ErrorKind::setup, "{}: did not end within {} s", hook_.path, hook_.timeout->count());
  }
  TRY(signals_.collect());
  if (auto signal = signals_.abort_request()) stopped_ = wrap(given_up(*signal), hook_.path);
  if (stopped_) return false;
  pollfd polls[] = {{child_.pidfd.get(), POLLIN, 0},
                    {output_.get(), POLLIN, 0},
                    {child_.control.get(), POLLIN, 0},
                    {signals_.fd(), POLLIN, 0}};
  int n = poll(polls, std::size(polls), static_cast<int>(std::min(left, kLongest)));
  if (n < 0 && errno != EINTR) return fail(errno, "wait for {}", hook_.path);
  if (n <= 0) return true;
  if (polls[1].revents != 0) read_output(1);
  if (polls[2].revents != 0) TRY(read_control());
  if (polls[0].revents == 0) return true;
  return child_.stands_in && TRY(take_place());
}

std::string Running::output_text() const {
  std::string text = text_;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text.empty() ? "" : ": " + shown_lines(text);
}

// Called after SIGKILL or its own end.
Result<std::optional<Error>> Running::reap() {
  auto ended = await_end(child_.pidfd.get(), Clock::now() + kKillTime);
  if (!ended.ok() || !*ended) return fail(ErrorKind::setup, "{}: does not end after SIGKILL", hook_.path);
  if (child_.stands_in && TRY(take_place())) {
    (void)kill(-child_.pid, SIGKILL);
    (void)kill(child_.pid, SIGKILL);
    return reap();
  }
  // Its group identifies the processes to kill with it, until it is reaped.
  int status = TRY(status_of_ended(child_.pidfd.get(), child_.pid));
  if (child_.control) TRY(read_control());
  bool good = status == 0 && !stopped_;
  if (!good) (void)kill(-child_.pid, SIGKILL);  // ESRCH: none is left
  reap_ended(child_.pidfd.get());
  constexpr size_t kMaxRest = 1 << 20;  // a process may never stop writing
  read_output(kMaxRest);
  if (good) return std::optional<Error>();
  if (stopped_) {
    Error error = fail(stopped_->kind, "{}{}", stopped_->text(), output_text());
    error.exit_status = stopped_->exit_status;
    ErrorDetail& detail = error.change_details();
    detail = stopped_->details();
    detail.step = 0;  // a step of the hook's own plan, which the text already names
    detail.hints.clear();
    return std::optional(std::move(error));
  }
  return std::optional(fail(ErrorKind::setup, "{}: {} {}{}", hook_.path,
                            WIFEXITED(status) ? "exit status" : "killed by signal",
                            WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), output_text()));
}

Result<std::optional<Error>> Running::wait() {
  std::optional<Clock::time_point> deadline;
  if (hook_.timeout) deadline = Clock::now() + *hook_.timeout;
  Result<bool> alive = true;
  while (alive.ok() && *alive) alive = turn(deadline);
  if (!alive.ok()) stopped_ = alive.error();
  if (stopped_) {
    (void)kill(-child_.pid, SIGKILL);  // ESRCH: it has no group yet
    (void)kill(child_.pid, SIGKILL);   // not reaped yet
  }
  return reap();
}

}  // namespace

Result<void> run_hook(const HookRun& hook, Signals& signals) {
  Subreaper subreaper;
  TRY(subreaper.ready());
  Stdio stdio = TRY(Stdio::make(hook));
  SpawnRequest request;
  request.plan = hook.plan;
  HostDescriptors host{hook.root_fd, -1, {hook.init_pidfd, stdio.in.get(), stdio.out.get(), stdio.error.get()}};
  request.sources = TRY(open_sources(*hook.plan, host));
  request.init_program = TRY(open_init_program(hook.state_fd));
  request.cgroup_fd = hook.cgroup_fd;
  Child child = TRY(spawn(std::move(request)));
  UniqueFd output = std::move(stdio.reader);
  stdio = Stdio();  // only the hook keeps the writing ends
  auto ended = Running(hook, signals, std::move(child), std::move(output)).wait();
  bool good = ended.ok() && !*ended;
  if (good) return {};
  Error error = ended.ok() ? **ended : ended.error();
  if (!subreaper.kill_new()) error.message += " (one of its processes does not end after SIGKILL)";
  return error;
}

}  // namespace minirun
