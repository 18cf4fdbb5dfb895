// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/notify_relay.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

#include "runtime/text/log.h"
#include "runtime/text/shown.h"
#include "runtime/text/unix_socket.h"
#include "sys/file.h"
#include "sys/kernel_abi.h"
#include "sys/pipe.h"
#include "sys/socket_message.h"

namespace minirun {
namespace {

using Clock = std::chrono::steady_clock;
constexpr const char* kDirectoryName = "notify";
constexpr const char* kSocketName = "notify.sock";
constexpr const char* kBarrier = "BARRIER=1";
constexpr size_t kMaxBytes = 4096;  // systemd reads no more (NOTIFY_BUFFER_MAX)
constexpr int kMostAtOnce = 16;

Result<UniqueFd> datagram_socket() {
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail(errno, "socket");
  return fd;
}

Result<UniqueFd> connect_to_host(const std::string& host) {
  UniqueFd fd = TRY(datagram_socket());
  UniqueFd opened;
  UnixAddress address = TRY(unix_address(host, &opened));
  if (connect(fd.get(), address.get(), address.size) < 0) return fail(errno, "connect to NOTIFY_SOCKET {}", host);
  return fd;
}

// Open to all users, since the host does not know those of the container. Changing the umask is safe: minirun has one
// thread.
Result<UniqueFd> bind_in(int directory) {
  UniqueFd fd = TRY(datagram_socket());
  if (unlinkat(directory, kSocketName, 0) < 0 && errno != ENOENT) return fail(errno, "remove {}", kSocketName);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // Through /proc/self/fd: the path of a state root may be longer than an address.
  std::string path = fmt::format("/proc/self/fd/{}/{}", directory, kSocketName);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  mode_t before = umask(0);
  int rc = bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  int code = errno;
  umask(before);
  if (rc < 0) return fail(code, "bind the container's notify socket");
  return fd;
}

Result<UniqueFd> open_directory(int state_fd) {
  return open_at(state_fd, kDirectoryName, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

std::string_view next_line(std::string_view* rest) {
  size_t end = rest->find('\n');
  std::string_view line = rest->substr(0, end);
  rest->remove_prefix(end == std::string_view::npos ? rest->size() : end + 1);
  return line;
}

bool is_barrier(std::string_view datagram) {
  if (datagram.ends_with('\n')) datagram.remove_suffix(1);
  return datagram == kBarrier;
}

struct Taken {
  std::string text;  // "": too long for any reader
  bool has_descriptors = false;
};

// The next datagram; with `peek` it stays in the queue. Its descriptors are never received: the container chose them,
// and closing one may wait for a process of the container (flush of a FUSE filesystem). The kernel releases them
// without a flush. (It may still wait for a socket with SO_LINGER: docs/security.md.)
std::optional<Taken> receive_datagram(int socket, bool peek) {
  char bytes[kMaxBytes];
  iovec part{bytes, sizeof bytes};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  ssize_t n = -1;
  do {
    n = recvmsg(socket, &header, MSG_DONTWAIT | (peek ? MSG_PEEK : 0));
  } while (n < 0 && errno == EINTR);
  if (n < 0) return std::nullopt;
  Taken taken;
  if ((header.msg_flags & MSG_TRUNC) == 0) taken.text.assign(bytes, static_cast<size_t>(n));
  taken.has_descriptors = (header.msg_flags & MSG_CTRUNC) != 0;
  return taken;
}

}  // namespace

namespace {

// Whether nothing listens there, or not for this user. Other errors are minirun's own, such as a lack of descriptors.
bool cannot_be_reached(int code) {
  constexpr int kCodes[] = {ENOENT, ENOTDIR, ELOOP, ECONNREFUSED, ENAMETOOLONG, EPROTOTYPE, EACCES, EPERM};
  return std::find(std::begin(kCodes), std::end(kCodes), code) != std::end(kCodes);
}

}  // namespace

Result<std::string> reachable_notify_socket(const std::string& name) {
  if (name.empty()) return name;
  std::string why;
  if (name.size() > 1 && (name[0] == '/' || name[0] == '@')) {
    auto connected = connect_to_host(name);
    if (connected.ok()) return name;
    if (!cannot_be_reached(connected.error().code)) return connected.error();
    why = connected.error().text();
  } else {
    why = fmt::format("NOTIFY_SOCKET={}: must be an absolute path or an abstract name (@NAME)", name);
  }
  report_line(fmt::format("minirun: warning: {}: the service manager gets no messages from this container", why));
  return std::string();
}

Result<std::string> own_notify_socket() {
  const char* value = getenv("NOTIFY_SOCKET");
  static const Result<std::string> found =
      reachable_notify_socket(value == nullptr ? "" : value);  // one warning, and one answer for all callers
  return found;
}

std::string relayed_notification(std::string_view datagram, pid_t main_pid) {
  std::string ready;
  std::string_view status;
  for (std::string_view rest = datagram; !rest.empty();) {
    std::string_view line = next_line(&rest);
    if (line == "READY=1") ready = main_pid == 0 ? "READY=1" : fmt::format("READY=1\nMAINPID={}", main_pid);
    if (line.starts_with("STATUS=") && shown_line(line) == line) status = line;
  }
  if (status.empty() || ready.size() + 1 + status.size() > kMaxBytes) return ready;
  return ready.empty() ? std::string(status) : fmt::format("{}\n{}", ready, status);
}

Result<UniqueFd> make_notify_directory(int state_fd) {
  if (mkdirat(state_fd, kDirectoryName, 0755) < 0) return fail(errno, "make the notify directory");
  UniqueFd directory = TRY(open_at(state_fd, kDirectoryName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  // Regardless of the umask: all users of the container must reach the socket.
  if (fchmod(directory.get(), 0755) < 0) return fail(errno, "chmod the notify directory");
  constexpr unsigned kFlags = abi::kOpenTreeClone | abi::kAtEmptyPath | abi::kCloexec;
  UniqueFd tree(static_cast<int>(syscall(SYS_open_tree, directory.get(), "", kFlags)));
  if (!tree) return fail(errno, "open_tree of the notify directory");
  return tree;
}

bool has_notify_directory(int state_fd) {
  return open_directory(state_fd).ok();
}

Result<NotifyRelay> NotifyRelay::start(int state_fd, const std::string& host) {
  UniqueFd to_host = TRY(connect_to_host(host));
  UniqueFd directory = TRY(open_directory(state_fd));
  UniqueFd socket = TRY(bind_in(directory.get()));
  return NotifyRelay(std::move(directory), std::move(socket), std::move(to_host));
}

NotifyRelay::~NotifyRelay() {
  // ENOENT: removed with the container's directory, as is everything that stays.
  if (directory_) (void)unlinkat(directory_.get(), kSocketName, 0);
}

pollfd NotifyRelay::wanted() const {
  if (pending_) return {host_.get(), POLLOUT, 0};
  if (barrier_) return {barrier_.get(), 0, 0};  // POLLHUP, which is always waited for
  return {socket_.get(), POLLIN, 0};
}

int NotifyRelay::patience_ms() const {
  if (!barrier_) return -1;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(barrier_until_ - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, kBarrierMs));
}

// False while the host's socket is full.
Result<bool> NotifyRelay::flush() {
  if (!pending_) return true;
  int descriptor = pending_->descriptor.get();
  auto sent = send_message(host_.get(), pending_->text, {&descriptor, descriptor >= 0 ? 1U : 0U}, MSG_DONTWAIT);
  if (!sent.ok() && sent.error().code == EAGAIN) return false;
  bool tells_ready = pending_->text.starts_with("READY=1");
  pending_.reset();
  if (!sent.ok()) return fail(sent.error().code, "send to NOTIFY_SOCKET");
  ready_ = ready_ || tells_ready;
  return true;
}

// Sends the host a barrier; the read end hangs up when the host has passed it.
Result<UniqueFd> NotifyRelay::send_barrier() {
  Pipe barrier = TRY(make_pipe());
  pending_ = Datagram{kBarrier, std::move(barrier.writer)};
  return std::move(barrier.reader);
}

// False: no more datagrams, or it has to wait. A sender waits behind a barrier until its datagram is received.
Result<bool> NotifyRelay::take() {
  if (barrier_) {
    pollfd seen{barrier_.get(), 0, 0};
    if (!ended_ && poll(&seen, 1, 0) <= 0 && Clock::now() < barrier_until_) return false;
    barrier_.reset();
    return receive_datagram(socket_.get(), false).has_value();
  }
  auto next = receive_datagram(socket_.get(), true);
  if (!next) return false;
  if (is_barrier(next->text) && next->has_descriptors && !ended_) {
    barrier_ = TRY(send_barrier());
    barrier_until_ = Clock::now() + std::chrono::milliseconds(kBarrierMs);
    return true;
  }
  (void)receive_datagram(socket_.get(), false);  // the same
  std::string text = relayed_notification(next->text, main_pid_);
  if (!text.empty()) pending_ = Datagram{std::move(text), UniqueFd()};
  return true;
}

Result<void> NotifyRelay::turn() {
  for (int i = 0; i < kMostAtOnce; i++) {
    if (!TRY(flush())) return {};
    if (!TRY(take())) return {};
  }
  TRY(flush());
  return {};
}

Result<void> NotifyRelay::barrier(Signals& signals) {
  UniqueFd seen;
  auto deadline = Clock::now() + std::chrono::milliseconds(kBarrierMs);
  for (;;) {
    if (!seen && !pending_) seen = TRY(send_barrier());
    TRY(turn());
    TRY(signals.collect());
    if (signals.abort_request()) return {};
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return {};
    pollfd polls[] = {wanted(), {seen.get(), 0, 0}, {signals.fd(), POLLIN, 0}};
    if (poll(polls, std::size(polls), static_cast<int>(left.count())) < 0 && errno != EINTR)
      return fail(errno, "wait for NOTIFY_SOCKET");
    if (polls[1].revents != 0) break;
  }
  // A notifier reports its readiness and then waits behind a barrier, which must still be handled.
  return turn();
}

}  // namespace minirun
