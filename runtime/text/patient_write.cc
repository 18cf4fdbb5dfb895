// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/patient_write.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>

namespace minirun {
namespace {

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
ssize_t write_now(int fd, mode_t type, std::string_view text) {
  text = text.substr(0, PIPE_BUF);
  if (type == S_IFSOCK) return send(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (type == S_IFIFO) {
    iovec piece{const_cast<char*>(text.data()), text.size()};
    ssize_t written = pwritev2(fd, &piece, 1, -1, RWF_NOWAIT);
    if (written >= 0 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)) return written;
  }
  return write(fd, text.data(), text.size());
}

int write_whole(int fd, mode_t type, std::string_view text) {
  auto until = std::chrono::steady_clock::now() + kReaderPatience;
  while (!text.empty()) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    pollfd ready{fd, POLLOUT, 0};
    int n = left.count() < 0 ? 0 : poll(&ready, 1, static_cast<int>(left.count()));
    if (n == 0) return ETIMEDOUT;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    ssize_t written = write_now(fd, type, text);
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written <= 0) return written < 0 ? errno : EIO;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

}  // namespace

Result<void> check_caller_descriptor(const std::string& option, uint64_t fd, const char* stdio, uint64_t handed_on) {
  constexpr uint64_t kFirst = 3;
  if (fd < kFirst) return fail(ErrorKind::usage, "{}: must be 3 or more: {}", option, stdio);
  // The descriptor must be open, not just a valid number.
  int flags = fd <= INT_MAX ? fcntl(static_cast<int>(fd), F_GETFL) : -1;
  if (flags < 0) return fail(ErrorKind::usage, "{}: descriptor {} is not open", option, fd);
  if (fd - kFirst < handed_on)
    return fail(ErrorKind::usage, "{}: the container gets descriptors 3 to {} (--preserve-fds, LISTEN_FDS)", option,
                2 + handed_on);
  if ((flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_RDONLY)
    return fail(ErrorKind::usage, "{}: descriptor {} is not open for writing", option, fd);
  return {};
}

int write_patiently(int fd, std::string_view text) {
  struct stat info {};
  if (fstat(fd, &info) < 0) return errno;
  HeldSigpipe held;
  return write_whole(fd, info.st_mode & S_IFMT, text);
}

}  // namespace minirun
