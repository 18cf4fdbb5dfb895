// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/unix_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/time.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "sys/file.h"
#include "sys/socket_message.h"

namespace minirun {

// An address holds 107 bytes of path and a NUL. A longer path is opened first and reached through /proc, where a link
// to a socket is followed like any other.
static Result<UnixAddress> path_address(const std::string& path, UniqueFd* opened) {
  UnixAddress address;
  address.socket.sun_family = AF_UNIX;
  std::string reachable = path;
  if (path.size() >= sizeof address.socket.sun_path) {
    *opened = TRY(open_at(AT_FDCWD, path, O_PATH));
    reachable = fmt::format("/proc/self/fd/{}", opened->get());
  }
  std::memcpy(address.socket.sun_path, reachable.c_str(), reachable.size() + 1);
  address.size = sizeof address.socket;
  return address;
}

Result<UnixAddress> unix_address(const std::string& name, UniqueFd* opened) {
  if (!name.starts_with('@')) return path_address(name, opened);
  UnixAddress address;
  address.socket.sun_family = AF_UNIX;
  if (name.size() > sizeof address.socket.sun_path) return fail(ENAMETOOLONG, "{}", name);
  std::memcpy(address.socket.sun_path + 1, name.data() + 1, name.size() - 1);  // a NUL in place of the @
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  return address;
}

Result<UniqueFd> connect_stream(const std::string& path, std::string_view purpose, unsigned timeout_ms) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail(errno, "socket for {}", path);
  // Bounds sending, and connecting to a listener whose backlog is full (socket(7)).
  timeval limit{static_cast<time_t>(timeout_ms / 1000), static_cast<suseconds_t>(timeout_ms % 1000 * 1000)};
  if (setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0)
    return fail(errno, "set a time limit for {}", path);
  UniqueFd opened;
  UnixAddress address = TRY(path_address(path, &opened));
  int rc = -1;
  do {
    rc = connect(socket.get(), address.get(), address.size);
  } while (rc < 0 && errno == EINTR);
  if (rc < 0) return fail(errno == EAGAIN ? ETIMEDOUT : errno, "connect to {} {}", purpose, path);
  return socket;
}

Result<void> send_descriptor(int socket, std::string_view text, int fd) {
  auto sent = send_message(socket, text, {&fd, 1});
  if (!sent.ok()) return fail(sent.error().code == EAGAIN ? ETIMEDOUT : sent.error().code, "sendmsg");
  if (*sent != text.size()) return fail(EMSGSIZE, "sendmsg");
  return {};
}

}  // namespace minirun
