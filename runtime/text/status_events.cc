// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/status_events.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <string_view>
#include <utility>

#include "runtime/text/error_json.h"
#include "runtime/text/log.h"
#include "runtime/text/timestamp.h"

namespace minirun {
namespace {

struct StatusReader {
  int fd = -1;      // borrowed from the caller; -1: no option, or minirun has given up on the reader
  mode_t type = 0;  // S_IFMT of it
};

StatusReader& status_reader() {
  static StatusReader reader;
  return reader;
}

// A write to a pipe without readers raises SIGPIPE, which would end minirun before it blocks signals.
class HeldSigpipe {
 public:
  HeldSigpipe() {
    sigset_t pending;
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    (void)sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    (void)sigprocmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~HeldSigpipe() {
    constexpr timespec kNow{};
    while (!was_pending_ && sigtimedwait(&pipe_, nullptr, &kNow) < 0 && errno == EINTR) {
    }
    (void)sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  HeldSigpipe(const HeldSigpipe&) = delete;
  HeldSigpipe& operator=(const HeldSigpipe&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

// Never waits, though the caller's file description has no O_NONBLOCK, which minirun must not set because other
// processes share it. After poll(2) a pipe accepts PIPE_BUF bytes (pipe(7)). RWF_NOWAIT, if the kernel supports it for
// pipes, covers other writers.
ssize_t write_now(const StatusReader& reader, std::string_view text) {
  text = text.substr(0, PIPE_BUF);
  if (reader.type == S_IFSOCK) return send(reader.fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (reader.type == S_IFIFO) {
    iovec piece{const_cast<char*>(text.data()), text.size()};
    ssize_t written = pwritev2(reader.fd, &piece, 1, -1, RWF_NOWAIT);
    if (written >= 0 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)) return written;
  }
  return write(reader.fd, text.data(), text.size());
}

bool write_whole(const StatusReader& reader, std::string_view line) {
  HeldSigpipe held;
  auto until = std::chrono::steady_clock::now() + kReaderPatience;
  while (!line.empty()) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() < 0) return false;
    pollfd ready{reader.fd, POLLOUT, 0};
    int n = poll(&ready, 1, static_cast<int>(left.count()));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    ssize_t written = write_now(reader, line);
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written <= 0) return false;
    line.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Events after a lost one would mislead, so the reader sees the end of file instead.
void write_event(std::string_view line) {
  StatusReader& reader = status_reader();
  if (reader.fd < 0 || write_whole(reader, line)) return;
  reader.fd = -1;
  log_debug("--status-fd: the reader is gone, or does not read");
}

JsonWriter begin_event(const char* name) {
  constexpr int kMicroseconds = 6;
  JsonWriter json;
  json.begin_object().key("event").string(name).key("time").string(now_rfc3339(kMicroseconds));
  return json;
}

void end_event(JsonWriter& json) {
  write_event(json.end_object().take() + "\n");
}

void write_of_process(const char* name, const std::string& id, pid_t pid) {
  if (status_reader().fd < 0) return;
  JsonWriter json = begin_event(name);
  json.key("id").string(id).key("pid").number(pid);
  end_event(json);
}

}  // namespace

Result<void> set_status_fd(uint64_t fd, uint64_t handed_on) {
  if (fd < 3)
    return fail(ErrorKind::usage, "--status-fd {}: must be 3 or more: the workload has stdin, stdout and stderr", fd);
  // The descriptor must be open, not just a valid number.
  int flags = fd <= INT_MAX ? fcntl(static_cast<int>(fd), F_GETFL) : -1;
  if (flags < 0) return fail(ErrorKind::usage, "--status-fd {}: descriptor {} is not open", fd, fd);
  if (fd - 3 < handed_on)
    return fail(ErrorKind::usage, "--status-fd {}: the container gets descriptors 3 to {} (--preserve-fds, LISTEN_FDS)",
                fd, 2 + handed_on);
  if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_RDONLY)
    return fail(ErrorKind::usage, "--status-fd {}: descriptor {} is not open for writing", fd, fd);
  struct stat info {};
  int number = static_cast<int>(fd);
  if (fstat(number, &info) < 0) return fail(ErrorKind::usage, errno, "--status-fd {}", fd);
  status_reader() = {number, info.st_mode & S_IFMT};
  return {};
}

void close_status_fd() {
  int fd = std::exchange(status_reader().fd, -1);
  if (fd >= 0) (void)close(fd);
}

void status_created(const std::string& id, pid_t pid) {
  write_of_process("created", id, pid);
}

void status_running(const std::string& id, pid_t pid) {
  write_of_process("running", id, pid);
}

void status_exited(const std::string& id, int wait_status, int exit_status, std::string_view cause) {
  if (status_reader().fd < 0) return;
  JsonWriter json = begin_event("exited");
  json.key("id").string(id).key("exit_status").number(exit_status);
  if (WIFSIGNALED(wait_status)) json.key("signal").number(WTERMSIG(wait_status));
  if (!cause.empty()) json.key("cause").string(cause);
  end_event(json);
}

void status_error(const Error& error) {
  if (status_reader().fd < 0) return;
  JsonWriter json = begin_event("error");
  json.key("msg").string(error.text());
  write_error_keys(json, error);
  end_event(json);
}

void status_out_of_memory() {
  write_event("{\"event\":\"error\",\"msg\":\"out of memory\",\"kind\":\"host\",\"exit_status\":1}\n");
}

}  // namespace minirun
