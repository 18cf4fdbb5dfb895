// SPDX-License-Identifier: Apache-2.0
#include "tests/support/descriptors.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/support/command.h"

namespace minirun::testing {

UniqueFd listen_at(const std::string& path, int type) {
  UniqueFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A long path by its last part, in its folder.
  size_t slash = path.rfind('/');
  bool abstract = path[0] == '@';
  UniqueFd folder(abstract ? -1 : open(path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  std::string name = abstract ? path : "/proc/self/fd/" + std::to_string(folder.get()) + path.substr(slash);
  memcpy(address.sun_path, name.c_str(), name.size() + 1);
  if (abstract) address.sun_path[0] = 0;
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  bool there = bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0;
  if (there && type == SOCK_STREAM) there = listen(fd.get(), 4) == 0;
  if (!there) {
    (void)fprintf(stderr, "listen at %s: %s\n", path.c_str(), strerror(errno));
    abort();
  }
  return fd;
}

Message receive_message(int socket) {
  std::array<char, 65536> text{};
  iovec data{text.data(), text.size()};
  alignas(cmsghdr) std::array<char, 4096> control{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  Message message;
  if (n <= 0) return message;
  message.text.assign(text.data(), static_cast<size_t>(n));
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd = -1;
      memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
      message.descriptors.emplace_back(fd);
    }
  }
  return message;
}

UniqueFd receive_descriptor(int listener) {
  EXPECT_EQ(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
  UniqueFd connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  Message message = receive_message(connection.get());
  EXPECT_GT(message.text.size(), 0u);
  EXPECT_LT(message.text.size(), 4096u);
  EXPECT_EQ(message.descriptors.size(), 1u);
  return message.descriptors.empty() ? UniqueFd() : std::move(message.descriptors[0]);
}

void expect_shown(int terminal, const std::string& text) {
  std::string shown;
  EXPECT_EQ(fcntl(terminal, F_SETFL, O_NONBLOCK), 0);
  EXPECT_TRUE(eventually([&] {
    std::array<char, 4096> block;
    ssize_t n = read(terminal, block.data(), block.size());
    if (n > 0) shown.append(block.data(), static_cast<size_t>(n));
    return shown.find(text) != std::string::npos;
  })) << shown;
}

}  // namespace minirun::testing
