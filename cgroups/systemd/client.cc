// SPDX-License-Identifier: Apache-2.0
#include "cgroups/systemd/client.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace minirun::systemd {

using std::chrono::steady_clock;

Result<Client> Client::start(const std::string& program, const std::vector<std::string>& environment,
                             const TimeLimits& limits) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return fail(errno, "socketpair");
  UniqueFd ours(pair[0]), theirs(pair[1]);
  ProgramStart helper;
  helper.path = program;
  helper.arguments = {"minirun-systemd"};
  helper.environment = environment;
  helper.stdin_fd = theirs.get();
  ChildProgram started = TRY(ChildProgram::start(helper));
  TRY(started.executed());
  return Client(std::move(ours), std::move(started), limits);
}

Error Client::ended() {
  std::string words = on_one_line(program_.errors());
  return fail(ErrorKind::host, "minirun-systemd has ended{}{}", words.empty() ? "" : ": ", words);
}

Result<std::string> Client::receive(Deadline deadline) {
  std::string packet(kMostMessageBytes, '\0');
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
    pollfd wait{socket_.get(), POLLIN, 0};
    int n = poll(&wait, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(errno, "wait for minirun-systemd");
    if (n == 0) return fail(ETIMEDOUT, "minirun-systemd does not respond");
    ssize_t size = recv(socket_.get(), packet.data(), packet.size(), MSG_TRUNC);
    if (size <= 0) return ended();
    if (static_cast<size_t>(size) > packet.size()) return fail(EPROTO, "minirun-systemd sent too long a packet");
    packet.resize(static_cast<size_t>(size));
    return packet;
  }
}

Result<Reply> Client::ask(const Request& request) {
  std::string packet = encode(request);
  if (packet.size() > kMostMessageBytes) return fail(EMSGSIZE, "more properties than minirun-systemd takes");
  if (send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno == EPIPE || errno == ECONNRESET) return ended();
    return fail(errno, "ask minirun-systemd");
  }
  std::string answer = TRY(receive(std::min(steady_clock::now() + call_limit_, end_)));
  Reply reply = TRY(decode_reply(answer));
  if (!reply.error.empty()) return Error{static_cast<int>(reply.code), reply.error};
  return reply;
}

}  // namespace minirun::systemd
