#include "runtime/console.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "sys/file.h"

namespace minirun {

Result<void> check_console(bool terminal, bool detach, const std::string& console_socket) {
  bool socket = !console_socket.empty();
  if (terminal && detach && !socket)
    return fail(0, "/process/terminal: with --detach a terminal needs --console-socket: nobody else would hold it");
  if (socket && !terminal)
    return fail(0, "--console-socket {}: the container has no terminal (/process/terminal is not true)",
                console_socket);
  if (socket && !detach)
    return fail(0, "--console-socket {}: only with --detach; in the foreground minirun holds the terminal itself",
                console_socket);
  return {};
}

std::optional<winsize> caller_window_size() {
  for (int fd = 0; fd < 3; fd++) {
    winsize size{};
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row != 0 && size.ws_col != 0) return size;
  }
  return std::nullopt;
}

// --- the console socket

// An address holds 107 bytes of path and a NUL. A longer path is opened first and reached through /proc, where a link
// to a socket is followed like any other.
static Result<sockaddr_un> socket_address(const std::string& path, UniqueFd* opened) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string reachable = path;
  if (path.size() >= sizeof address.sun_path) {
    *opened = TRY(open_at(AT_FDCWD, path, O_PATH));
    reachable = fmt::format("/proc/self/fd/{}", opened->get());
  }
  std::memcpy(address.sun_path, reachable.c_str(), reachable.size() + 1);
  return address;
}

static Result<void> send_descriptor(int socket, const std::string& path, int fd) {
  constexpr char kName[] = "/dev/ptmx";
  iovec part{const_cast<char*>(kName), sizeof kName - 1};
  alignas(cmsghdr) char rights[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = rights;
  header.msg_controllen = sizeof rights;
  cmsghdr* first = CMSG_FIRSTHDR(&header);
  first->cmsg_level = SOL_SOCKET;
  first->cmsg_type = SCM_RIGHTS;
  first->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(first), &fd, sizeof fd);
  ssize_t n = -1;
  do {
    n = sendmsg(socket, &header, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return fail(errno == EAGAIN ? ETIMEDOUT : errno, "send the terminal to {}", path);
  return {};
}

Result<void> send_console(const std::string& path, int terminal, unsigned timeout_ms) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail(errno, "socket for {}", path);
  // Bounds sending, and connecting to a listener whose backlog is full (socket(7)).
  timeval limit{static_cast<time_t>(timeout_ms / 1000), static_cast<suseconds_t>(timeout_ms % 1000 * 1000)};
  if (setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0)
    return fail(errno, "set a time limit for {}", path);
  UniqueFd opened;
  sockaddr_un address = TRY(socket_address(path, &opened));
  int rc = -1;
  do {
    rc = connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (rc < 0 && errno == EINTR);
  if (rc < 0) return fail(errno == EAGAIN ? ETIMEDOUT : errno, "connect to --console-socket {}", path);
  return send_descriptor(socket.get(), path, terminal);
}

// --- the caller's terminal

Result<RawTerminal> RawTerminal::open(int fd) {
  RawTerminal terminal;
  if (tcgetattr(fd, &terminal.saved_) < 0) return fail(errno, "read the settings of the terminal on descriptor {}", fd);
  terminal.fd_ = fd;
  return terminal;
}

RawTerminal::RawTerminal(RawTerminal&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), raw_(std::exchange(other.raw_, false)), saved_(other.saved_) {}

RawTerminal& RawTerminal::operator=(RawTerminal&& other) noexcept {
  restore();
  fd_ = std::exchange(other.fd_, -1);
  raw_ = std::exchange(other.raw_, false);
  saved_ = other.saved_;
  return *this;
}

bool RawTerminal::is_foreground() const {
  pid_t group = tcgetpgrp(fd_);
  return group < 0 || group == getpgrp();
}

// Not TCSADRAIN: it would wait for a terminal that is stopped by ^S.
Result<void> RawTerminal::make_raw() {
  if (fd_ < 0) return {};
  termios settings = saved_;
  cfmakeraw(&settings);
  if (tcsetattr(fd_, TCSANOW, &settings) < 0) return fail(errno, "set the terminal to raw mode");
  raw_ = true;
  return {};
}

void RawTerminal::restore() {
  if (!raw_) return;
  raw_ = false;
  (void)tcsetattr(fd_, TCSANOW, &saved_);  // EIO: the terminal is gone
}

}  // namespace minirun
