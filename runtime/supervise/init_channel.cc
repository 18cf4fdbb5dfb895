// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/init_channel.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace minirun {
namespace {

// Owns every received descriptor before anything is checked, so that none leaks.
UniqueFd take_descriptor(msghdr& header, size_t* count) {
  UniqueFd first;
  *count = 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = CMSG_LEN(0); at + sizeof(int) <= part->cmsg_len; at += sizeof(int)) {
      int number = -1;
      std::memcpy(&number, reinterpret_cast<char*>(part) + at, sizeof number);
      UniqueFd fd(number);
      if ((*count)++ == 0) first = std::move(fd);
    }
  }
  return first;
}

}  // namespace

Result<std::optional<Received>> try_receive(int control) {
  Received received;
  iovec part{&received.envelope, sizeof received.envelope};
  alignas(cmsghdr) char rights[CMSG_SPACE(2 * sizeof(int))];
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = rights;
  header.msg_controllen = sizeof rights;
  ssize_t n = -1;
  do {
    n = recvmsg(control, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return std::optional<Received>();
  if (n == 0 || (n < 0 && errno == ECONNRESET)) return std::optional(std::move(received));
  if (n < 0) return fail(errno, "receive from the container's init");
  size_t descriptors = 0;
  received.fd = take_descriptor(header, &descriptors);
  bool whole = n == sizeof received.envelope && (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
  Message message = received.envelope.message;
  size_t expected = message == Message::terminal || message == Message::plan ? 1 : 0;
  if (!whole || descriptors != expected)
    return fail(EPROTO, "receive from the container's init: {} bytes and {} descriptors", n, descriptors);
  received.kind = Received::Kind::message;
  return std::optional(std::move(received));
}

Result<void> open_gate(int control) {
  Envelope envelope{Message::release, 0};
  bool sent = send(control, &envelope, sizeof envelope, MSG_NOSIGNAL) >= 0;
  if (sent || errno == EPIPE || errno == ECONNRESET) return {};
  return fail(errno, "release the container");
}

}  // namespace minirun
