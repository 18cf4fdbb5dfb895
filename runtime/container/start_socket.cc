// SPDX-License-Identifier: Apache-2.0
#include "runtime/container/start_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/supervise/init_channel.h"
#include "runtime/text/version.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr const char* kSocketName = "start.sock";
constexpr const char* kGateName = "gate";

// Through /proc/self/fd: the path of a state root may be longer than an address.
sockaddr_un address_in(int state_fd) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = fmt::format("/proc/self/fd/{}/{}", state_fd, kSocketName);
  memcpy(address.sun_path, path.c_str(), path.size() + 1);  // 14 + 10 + 12 bytes at most
  return address;
}

Result<UniqueFd> new_socket() {
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return fail(errno, "socket");
  return fd;
}

// The format that comes with Message::plan.
Result<uint32_t> known_format(int32_t number, const std::string& made_by) {
  if (number == 0) return kUnnumberedPlanFormat;
  auto format = static_cast<uint32_t>(number);
  if (number < 0 || format <= kPlanFormat) return format;  // the plan must confirm it
  return fail(ErrorKind::state,
              "the container was created by minirun {} and waits in format {}; this is minirun {}, which knows formats "
              "up to {}",
              made_by, format, minirun_version(), kPlanFormat);
}

}  // namespace

Result<StartSocket> make_start_socket(int state_fd) {
  StartSocket made;
  // A FIFO: a process that traces its holder can write to it, but no more than a pipe holds.
  if (mkfifoat(state_fd, kGateName, 0600) < 0) return fail(errno, "make the gate");
  made.gate = TRY(open_at(state_fd, kGateName, O_RDWR | O_NOFOLLOW | O_NONBLOCK));
  if (syscall(SYS_flock, made.gate.get(), LOCK_EX | LOCK_NB) < 0) return fail(errno, "lock the gate");
  made.listener = TRY(new_socket());
  sockaddr_un address = address_in(state_fd);
  if (bind(made.listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    return fail(errno, "bind the start socket");
  if (listen(made.listener.get(), 8) < 0) return fail(errno, "listen on the start socket");
  return made;
}

Result<bool> waits_for_start(int state_fd) {
  return is_locked(state_fd, kGateName);
}

Result<StartConnection> connect_for_start(int state_fd, const std::string& made_by) {
  UniqueFd control = TRY(new_socket());
  sockaddr_un address = address_in(state_fd);
  if (connect(control.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    return fail(errno, "connect to the container's init");
  pollfd answer{control.get(), POLLIN, 0};
  constexpr int kTimeoutMs = 10000;
  int n = poll(&answer, 1, kTimeoutMs);
  if (n <= 0) return fail(n == 0 ? ETIMEDOUT : errno, "wait for the container's init");
  auto received = TRY(try_receive(control.get()));
  if (!received || received->kind != Received::Kind::message || received->envelope.message != Message::plan)
    return fail(EPROTO, "the container's init does not answer");
  uint32_t format = TRY(known_format(received->envelope.status, made_by));
  PlanMemory memory = TRY(PlanMemory::map(std::move(received->fd), format));
  return StartConnection{std::move(control), std::move(memory)};
}

bool has_start_socket(int state_fd) {
  return faccessat(state_fd, kGateName, F_OK, 0) == 0;
}

void remove_start_socket(int state_fd) {
  // The directory's removal takes what stays.
  (void)unlinkat(state_fd, kSocketName, 0);
  (void)unlinkat(state_fd, kGateName, 0);
}

}  // namespace minirun
