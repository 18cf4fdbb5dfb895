// SPDX-License-Identifier: Apache-2.0
// What a service says of itself through NOTIFY_SOCKET (sd_notify(3)), and what it should not say.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tests/support/payload/payload.h"

namespace payload {
namespace {

// One datagram with these descriptors. Returns an errno value, or 0.
int send(const std::string& text, const std::vector<int>& descriptors) {
  const char* path = getenv("NOTIFY_SOCKET");
  if (path == nullptr) return ENOENT;
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) broken("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  iovec data{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) std::array<char, 2048> control{};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof address;
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  size_t bytes = descriptors.size() * sizeof(int);
  if (bytes > 0) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(rights), descriptors.data(), bytes);
  }
  int code = sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
  close(fd);
  return code;
}

// Whether everybody closed the other ends of the pipe, `count` of which were sent with the text.
bool closed_by_all(const std::string& text, size_t count) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) < 0) broken("pipe");
  int code = send(text, std::vector<int>(count, ends[1]));
  close(ends[1]);
  pollfd seen{ends[0], 0, 0};
  constexpr int kPatienceMs = 10000;
  bool closed = code == 0 && poll(&seen, 1, kPatienceMs) == 1;
  close(ends[0]);
  return closed;
}

void await_file(const std::string& path) {
  while (access(path.c_str(), F_OK) < 0) usleep(2000);
}

}  // namespace

// Each in turn: "long:N" sends N bytes; "fds:N:TEXT" sends N descriptors and reports whether all were closed;
// "file:PATH" waits until it exists; "flood" sends forever; "pause" waits forever; else it is a text to send.
int notify(const Args& args) {
  const char* path = getenv("NOTIFY_SOCKET");
  say(std::string("socket ") + (path == nullptr ? "(none)" : path) + "\n");
  for (const std::string& arg : args) {
    int code = 0;
    if (arg.starts_with("long:")) {
      code = send(std::string(static_cast<size_t>(atoi(arg.c_str() + 5)), 'x') + "\nREADY=1", {});
    } else if (arg.starts_with("fds:")) {
      size_t text = arg.find(':', 4) + 1;
      auto count = static_cast<size_t>(atoi(arg.c_str() + 4));
      say(arg.substr(4, text - 5) + (closed_by_all(arg.substr(text), count) ? " closed\n" : " held\n"));
    } else if (arg.starts_with("file:")) {
      await_file(arg.substr(5));
    } else if (arg == "flood") {
      while (send("STATUS=again", {}) == 0) continue;
    } else if (arg == "pause") {
      for (;;) pause();
    } else {
      code = send(arg, {});
    }
    if (code != 0) say(std::string("not sent: ") + strerror(code) + "\n");
  }
  return 0;
}

}  // namespace payload
