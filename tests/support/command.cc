// SPDX-License-Identifier: Apache-2.0
#include "tests/support/command.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "sys/pidfd.h"
#include "sys/pipe.h"
#include "sys/result.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void give_up(const std::string& what) {
  (void)fprintf(stderr, "integration_tests: %s: %s\n", what.c_str(), errno_text(errno).c_str());
  abort();
}

// What is read never waits; the program that writes does.
Pipe output_pipe() {
  auto pipe = make_pipe();
  if (!pipe.ok()) give_up("pipe2");
  if (fcntl(pipe->reader.get(), F_SETFL, O_NONBLOCK) != 0) give_up("fcntl");
  return std::move(pipe).value();
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> list;
  for (const std::string& string : strings) list.push_back(const_cast<char*>(string.c_str()));
  list.push_back(nullptr);
  return list;
}

void must_dup(int fd, int target) {
  // Equal numbers would keep close-on-exec: not so here, 0 to 2 are taken in the tests.
  if (dup2(fd, target) < 0) _exit(98);
}

[[noreturn]] void become(const std::vector<std::string>& argv, const StartOptions& options, int out, int err) {
  int in = options.stdin_fd >= 0 ? options.stdin_fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
  must_dup(in, 0);
  must_dup(options.stdout_fd >= 0 ? options.stdout_fd : out, 1);
  must_dup(options.stderr_fd >= 0 ? options.stderr_fd : err, 2);
  if (options.in_child) options.in_child();
  execve(argv[0].c_str(), pointers(argv).data(), pointers(options.env).data());
  (void)dprintf(2, "integration_tests: exec %s: %s\n", argv[0].c_str(), errno_text(errno).c_str());
  _exit(98);
}

void append_available(int fd, std::string& text) {
  std::array<char, 65536> block;
  for (ssize_t n = 0; (n = read(fd, block.data(), block.size())) > 0;)
    text.append(block.data(), static_cast<size_t>(n));
}

}  // namespace

std::string describe(const Outcome& outcome) {
  std::string status =
      outcome.code == kTimedOut ? "took too long and was killed" : "status " + std::to_string(outcome.code);
  return status + "\nstdout: " + outcome.out + "\nstderr: " + outcome.err;
}

Running::Running(const std::vector<std::string>& argv, const StartOptions& options) {
  Pipe out = output_pipe();
  Pipe err = output_pipe();
  pid_ = fork();
  if (pid_ < 0) give_up("fork");
  if (pid_ == 0) become(argv, options, out.writer.get(), err.writer.get());
  pidfd_ = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd_) give_up("pidfd_open");
  out_ = std::move(out.reader);
  err_ = std::move(err.reader);
}

Running::~Running() {
  if (ended_) return;
  send(SIGKILL);
  reap();
}

void Running::send(int signal) const {
  (void)send_signal(pidfd_.get(), signal);  // it may have ended: finish() finds out
}

void Running::drain() {
  append_available(out_.get(), outcome_.out);
  append_available(err_.get(), outcome_.err);
}

void Running::reap() {
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) give_up("waitpid");
  ended_ = true;
  outcome_.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  drain();
}

// Reads both pipes until enough() or the program's end (then reaped) or the time is over; true when enough.
bool Running::pump(const std::function<bool()>& enough, int milliseconds) {
  auto end = Clock::now() + std::chrono::milliseconds(milliseconds * slowness());
  bool out_open = true;
  bool err_open = true;
  while (!enough()) {
    if (ended_) return false;
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) return false;
    pollfd waits[] = {
        {pidfd_.get(), POLLIN, 0}, {out_open ? out_.get() : -1, POLLIN, 0}, {err_open ? err_.get() : -1, POLLIN, 0}};
    if (poll(waits, 3, static_cast<int>(left)) < 0 && errno != EINTR) give_up("poll");
    drain();
    // A closed pipe is always ready: it must not be asked again.
    if ((waits[1].revents & POLLHUP) != 0) out_open = false;
    if ((waits[2].revents & POLLHUP) != 0) err_open = false;
    if (waits[0].revents != 0) reap();
  }
  return true;
}

bool Running::wait_for(const std::string& text, int milliseconds) {
  return pump([&] { return outcome_.out.find(text) != std::string::npos; }, milliseconds);
}

bool Running::wait_for_error(const std::string& text, int milliseconds) {
  return pump([&] { return outcome_.err.find(text) != std::string::npos; }, milliseconds);
}

Outcome Running::finish(int milliseconds) {
  (void)pump([&] { return ended_; }, milliseconds);
  if (!ended_) {
    send(SIGKILL);
    reap();
    outcome_.code = kTimedOut;
  }
  return outcome_;
}

bool eventually(const std::function<bool()>& question, int milliseconds) {
  auto end = Clock::now() + std::chrono::milliseconds(milliseconds * slowness());
  while (!question()) {
    if (Clock::now() > end) return false;
    usleep(2000);
  }
  return true;
}

}  // namespace minirun::testing
