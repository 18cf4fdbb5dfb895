// SPDX-License-Identifier: Apache-2.0
#include "sys/socket_message.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "sys/file.h"

namespace minirun {
namespace {

struct Ends {
  UniqueFd near, far;
};

Ends connected(int type) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

struct Got {
  std::string bytes;
  std::vector<UniqueFd> descriptors;
};

Got receive(int socket) {
  char bytes[64], rights[CMSG_SPACE(253 * sizeof(int))];
  iovec part{bytes, sizeof bytes};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = rights;
  header.msg_controllen = sizeof rights;
  ssize_t n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  Got got;
  EXPECT_GE(n, 0);
  got.bytes.assign(bytes, static_cast<size_t>(std::max<ssize_t>(n, 0)));
  const cmsghdr* first = CMSG_FIRSTHDR(&header);
  for (size_t at = CMSG_LEN(0); first != nullptr && at < first->cmsg_len; at += sizeof(int)) {
    int fd = -1;
    std::memcpy(&fd, reinterpret_cast<const char*>(first) + at, sizeof fd);
    got.descriptors.emplace_back(fd);
  }
  return got;
}

TEST(SendMessage, BringsBytesAndDescriptors) {
  for (size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{253}}) {
    Ends ends = connected(SOCK_SEQPACKET);
    auto sent = send_message(ends.near.get(), "hello", std::vector<int>(count, ends.near.get()));
    ASSERT_TRUE(sent.ok()) << sent.error().text();
    EXPECT_EQ(*sent, 5U);
    Got got = receive(ends.far.get());
    EXPECT_EQ(got.bytes, "hello");
    ASSERT_EQ(got.descriptors.size(), count);
    for (const UniqueFd& fd : got.descriptors) EXPECT_TRUE(*is_same_file(fd.get(), ends.near.get()));
  }
}

TEST(SendMessage, FailsWithItsErrnoAndWithoutASignal) {
  Ends ends = connected(SOCK_SEQPACKET);
  EXPECT_EQ(send_message(ends.near.get(), "x", std::vector<int>(254, 0)).error().text(), "sendmsg: invalid argument");
  const int nothing = -1;
  EXPECT_EQ(send_message(ends.near.get(), "x", {&nothing, 1}).error().code, EBADF);
  EXPECT_EQ(send_message(ends.near.get(), std::string(10 << 20, 'x'), {}).error().code, EMSGSIZE);
  while (send_message(ends.near.get(), "full", {}, MSG_DONTWAIT).ok()) {
  }
  EXPECT_EQ(send_message(ends.near.get(), "full", {}, MSG_DONTWAIT).error().code, EAGAIN);
  ends.far.reset();
  EXPECT_EQ(send_message(ends.near.get(), "x", {}).error().code, ECONNRESET) << "what was not read is lost";
  EXPECT_EQ(send_message(ends.near.get(), "x", {}).error().code, EPIPE);
}

}  // namespace
}  // namespace minirun
