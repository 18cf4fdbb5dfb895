// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/init_channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace minirun {
namespace {

// Owns every descriptor that came along before anything is judged, so that none leaks.
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

// A place for one message, and what was received there.
struct Mailbox {
  Received received;
  iovec part{&received.envelope, sizeof received.envelope};
  alignas(cmsghdr) char rights[CMSG_SPACE(2 * sizeof(int))];
  msghdr header{};

  Mailbox() {
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = rights;
    header.msg_controllen = sizeof rights;
  }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
};

constexpr int kReceiveFlags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC;

// n: of recvmsg(2) with the mailbox, and errno. Nothing: no message is there.
Result<std::optional<Received>> judge(Mailbox& mailbox, ssize_t n) {
  if (n < 0 && errno == EAGAIN) return std::optional<Received>();
  if (n == 0 || (n < 0 && errno == ECONNRESET)) return std::optional(std::move(mailbox.received));
  if (n < 0) return fail(errno, "receive from the container's init");
  Received& received = mailbox.received;
  size_t descriptors = 0;
  received.fd = take_descriptor(mailbox.header, &descriptors);
  bool whole = n == sizeof received.envelope && (mailbox.header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
  Message message = received.envelope.message;
  size_t expected = message == Message::terminal || message == Message::plan ? 1 : 0;
  if (!whole || descriptors != expected)
    return fail(EPROTO, "receive from the container's init: {} bytes and {} descriptors", n, descriptors);
  received.kind = Received::Kind::message;
  return std::optional(std::move(received));
}

}  // namespace

Result<std::optional<Received>> try_receive(int control) {
  Mailbox mailbox;
  ssize_t n = -1;
  do {
    n = recvmsg(control, &mailbox.header, kReceiveFlags);
  } while (n < 0 && errno == EINTR);
  return judge(mailbox, n);
}

Result<void> open_gate(int control) {
  Envelope envelope{Message::release, 0};
  bool sent = send(control, &envelope, sizeof envelope, MSG_NOSIGNAL) >= 0;
  if (sent || errno == EPIPE || errno == ECONNRESET) return {};
  return fail(errno, "release the container");
}

Result<Received> receive(int control, int pidfd, Signals& signals) {
  bool ended = false;
  std::optional<int> abort;
  for (;;) {
    Mailbox mailbox;
    ssize_t n = recvmsg(control, &mailbox.header, kReceiveFlags);
    if (n < 0 && errno == EINTR) continue;
    auto received = TRY(judge(mailbox, n));
    if (received) return std::move(*received);
    Received other;
    if (ended) return other;  // only now: what it sent before its end has been read
    if (abort) {
      other.kind = Received::Kind::aborted;
      other.signal = *abort;
      return other;
    }
    TRY(signals.collect());
    abort = signals.abort_request();
    // It may be the workload itself that has sent it, a moment after its init said that it runs: one more look.
    if (abort) continue;
    pollfd polls[] = {{control, POLLIN, 0}, {pidfd, POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    if (poll(polls, 3, -1) < 0 && errno != EINTR) return fail(errno, "wait for the container's init");
    ended = polls[1].revents != 0;
  }
}

}  // namespace minirun
