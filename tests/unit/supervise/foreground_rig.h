// SPDX-License-Identifier: Apache-2.0
// A foreground run in miniature: a forked process that runs the Supervisor over a forked process that plays the
// container's init, and a terminal that plays the caller's.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

#include "runtime/supervise/init_channel.h"
#include "runtime/supervise/supervisor.h"
#include "sys/pipe.h"

namespace minirun::rig {

constexpr int kTimeoutMs = 20000;  // of a test that fails; a machine under load may take its time

using minirun::Pipe;

// An invalid one fails the test.
inline Pipe make_pipe() {
  auto made = minirun::make_pipe();
  EXPECT_TRUE(made.ok()) << made.error().text();
  return made.ok() ? std::move(made).value() : Pipe();
}

struct Pty {
  UniqueFd master, slave;
};

inline Pty open_pty() {
  Pty pty;
  pty.master.reset(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  EXPECT_TRUE(pty.master) << "posix_openpt: " << errno;
  EXPECT_EQ(unlockpt(pty.master.get()), 0);
  pty.slave.reset(ioctl(pty.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  EXPECT_TRUE(pty.slave);
  return pty;
}

inline void set_raw(int fd) {
  termios settings{};
  (void)tcgetattr(fd, &settings);
  cfmakeraw(&settings);
  (void)tcsetattr(fd, TCSANOW, &settings);
}

inline bool is_raw(int fd) {
  termios settings{};
  EXPECT_EQ(tcgetattr(fd, &settings), 0);
  return (settings.c_lflag & ICANON) == 0;
}

inline bool readable(int fd, int timeout_ms = kTimeoutMs) {
  pollfd poll_fd{fd, POLLIN, 0};
  return poll(&poll_fd, 1, timeout_ms) == 1;
}

// Exactly so many bytes, or less at the end of the file or of the time.
inline std::string read_bytes(int fd, size_t bytes) {
  std::string data;
  while (data.size() < bytes && readable(fd)) {
    char part[4096];
    ssize_t n = read(fd, part, std::min(sizeof part, bytes - data.size()));
    if (n <= 0) break;
    data.append(part, static_cast<size_t>(n));
  }
  return data;
}

inline bool write_bytes(int fd, const std::string& data) {
  for (size_t done = 0; done < data.size();) {
    ssize_t n = write(fd, data.data() + done, data.size() - done);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

// Looks again and again: for states that nothing announces.
inline bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < kTimeoutMs / 5; i++) {
    if (condition()) return true;
    (void)poll(nullptr, 0, 5);
  }
  return false;
}

// Bytes that do not repeat soon, without any that a terminal treats as special.
inline std::string pattern(size_t bytes) {
  std::string data(bytes, '\0');
  uint32_t state = 1;
  for (char& c : data) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>('0' + (state >> 24) % 64);
  }
  return data;
}

inline UniqueFd pidfd_of(pid_t pid) {
  return UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
}

// What the fake init has.
struct Init {
  int control;
  int terminal;  // the container's side, -1 without
  int records;   // to the test

  void send(Message message, int status = 0) const {
    Envelope envelope{message, status};
    (void)!::send(control, &envelope, sizeof envelope, MSG_NOSIGNAL);
  }
  void record(const void* data, size_t bytes) const { (void)!write(records, data, bytes); }
  // A session of its own with the terminal, as the plan's session step makes one.
  void take_terminal() const {
    (void)setsid();
    (void)ioctl(terminal, TIOCSCTTY, 0);
  }
};

struct Setting {
  std::function<int(const Init&)> init;  // returns the exit code
  bool terminal = false;
  int input = -1;  // -1: /dev/null
  int output = -1;
  int cgroup_kill = -1;
  std::function<void()> before = [] {};  // in the supervising process, first of all
};

struct Status {
  enum class Kind : int { started, ended, error } kind = Kind::error;
  pid_t init = -1;
  Ended ended{};
  char message[256] = {};
};

class Foreground {
 public:
  explicit Foreground(const Setting& options) {
    Pipe status = make_pipe();
    Pipe records = make_pipe();
    pid_ = fork();
    if (pid_ == 0) {
      status.reader.reset();
      records.reader.reset();
      _exit(supervise(options, status.writer.get(), records.writer.get()));
    }
    status_ = std::move(status.reader);
    records_ = std::move(records.reader);
  }
  ~Foreground() {
    if (pid_ <= 0) return;
    (void)::kill(pid_, SIGKILL);
    (void)waitpid(pid_, nullptr, 0);
  }
  Foreground(const Foreground&) = delete;
  Foreground& operator=(const Foreground&) = delete;

  pid_t pid() const { return pid_; }
  int records() const { return records_.get(); }

  // The next word of the supervising process: started, then ended; or error.
  Status next() {
    Status status;
    std::string bytes = read_bytes(status_.get(), sizeof status);
    if (bytes.size() == sizeof status) std::memcpy(static_cast<void*>(&status), bytes.data(), sizeof status);
    return status;
  }
  bool has_word(int timeout_ms = 0) const { return readable(status_.get(), timeout_ms); }
  void await_start() {
    Status status = next();
    ASSERT_EQ(status.kind, Status::Kind::started) << status.message;
    init_ = status.init;
  }
  pid_t init() const { return init_; }
  Ended finish() {
    Status status = next();
    EXPECT_EQ(status.kind, Status::Kind::ended) << status.message;
    return status.ended;
  }
  template <class T>
  bool record(T* out) {
    std::string bytes = read_bytes(records_.get(), sizeof *out);
    if (bytes.size() == sizeof *out) std::memcpy(out, bytes.data(), sizeof *out);
    return bytes.size() == sizeof *out;
  }

 private:
  static int supervise(const Setting& options, int status_fd, int records) {
    Status status;
    auto done = run(options, status_fd, records, &status);
    status.kind = done.ok() ? Status::Kind::ended : Status::Kind::error;
    if (!done.ok()) (void)snprintf(status.message, sizeof status.message, "%s", done.error().text().c_str());
    return write(status_fd, &status, sizeof status) == sizeof status ? 0 : 1;
  }

  static Result<void> run(const Setting& options, int status_fd, int records, Status* status) {
    UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    (void)dup2(options.input < 0 ? null.get() : options.input, 0);
    (void)dup2(options.output < 0 ? null.get() : options.output, 1);
    options.before();
    Supervisor supervisor = TRY(Supervisor::begin());
    TRY(supervisor.start_watchdog(options.terminal, options.cgroup_kill));
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return fail(errno, "socketpair");
    UniqueFd control(ends[0]), far_control(ends[1]);
    Pty pty;
    if (options.terminal) pty = open_pty();
    status->init = fork();
    if (status->init == 0) {
      (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
      control.reset();
      pty.master.reset();
      Init init{far_control.get(), pty.slave.get(), records};
      init.send(Message::running);
      _exit(options.init(init));
    }
    UniqueFd pidfd = pidfd_of(status->init);
    far_control.reset();
    pty.slave.reset();
    if (options.terminal) TRY(supervisor.attach_terminal(std::move(pty.master)));
    auto received = readable(control.get()) ? TRY(try_receive(control.get())) : std::nullopt;
    if (!received || received->kind != Received::Kind::message) return fail(ErrorKind::setup, "not running");
    status->kind = Status::Kind::started;
    if (write(status_fd, status, sizeof *status) < 0) return fail(errno, "report");
    status->ended = TRY(supervisor.run(status->init, pidfd.get(), control.get()));
    return {};
  }

  pid_t pid_ = -1;
  pid_t init_ = -1;
  UniqueFd status_;
  UniqueFd records_;
};

}  // namespace minirun::rig
