// SPDX-License-Identifier: Apache-2.0
#include "sys/socket_message.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace minirun {

Result<size_t> send_message(int socket, std::string_view bytes, std::span<const int> descriptors, int flags) {
  constexpr size_t kMostDescriptors = 253;
  if (descriptors.size() > kMostDescriptors) return fail(EINVAL, "sendmsg");
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char rights[CMSG_SPACE(kMostDescriptors * sizeof(int))] = {};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    header.msg_control = rights;
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(first), descriptors.data(), descriptors.size_bytes());
  }
  for (;;) {
    ssize_t n = sendmsg(socket, &header, MSG_NOSIGNAL | flags);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR) return fail(errno, "sendmsg");
  }
}

}  // namespace minirun
