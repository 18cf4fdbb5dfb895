// SPDX-License-Identifier: Apache-2.0
#include "sys/netlink.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>

#include "sys/file.h"

namespace minirun {
namespace {

constexpr size_t kAnswerBytes = 64 * 1024;       // the kernel's messages are smaller
constexpr size_t kMostBytes = 16 * 1024 * 1024;  // of a whole list
constexpr int kMostAttempts = 8;                 // of a list that changes while it is read
constexpr timeval kAnswerTime = {10, 0};

size_t aligned(size_t size) {
  return NLMSG_ALIGN(size);
}

}  // namespace

void NetlinkRequest::append(const void* data, size_t size) {
  payload_.append(static_cast<const char*>(data), size);
  payload_.resize(aligned(payload_.size()));
}

NetlinkRequest& NetlinkRequest::bytes(uint16_t attribute, std::string_view data) {
  nlattr header{static_cast<uint16_t>(sizeof header + data.size()), attribute};
  payload_.append(reinterpret_cast<const char*>(&header), sizeof header);
  append(data.data(), data.size());
  return *this;
}

NetlinkRequest& NetlinkRequest::text(uint16_t attribute, const std::string& value) {
  return bytes(attribute, std::string_view(value.c_str(), value.size() + 1));
}

NetlinkRequest& NetlinkRequest::number(uint16_t attribute, uint32_t value) {
  return bytes(attribute, std::string_view(reinterpret_cast<const char*>(&value), sizeof value));
}

size_t NetlinkRequest::begin(uint16_t attribute) {
  size_t begun = payload_.size();
  bytes(attribute, {});
  return begun;
}

NetlinkRequest& NetlinkRequest::end(size_t begun) {
  auto length = static_cast<uint16_t>(payload_.size() - begun);
  std::memcpy(payload_.data() + begun, &length, sizeof length);  // nla_len is the first member
  return *this;
}

std::string NetlinkRequest::finish(uint32_t sequence, uint16_t more_flags) const {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(sizeof header + payload_.size());
  header.nlmsg_type = type_;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags_ | more_flags);
  header.nlmsg_seq = sequence;
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) + payload_;
}

std::optional<std::string_view> NetlinkMessage::attribute(uint16_t wanted, size_t fixed_size) const {
  std::string_view rest = payload;
  rest.remove_prefix(std::min(aligned(fixed_size), rest.size()));
  while (rest.size() >= sizeof(nlattr)) {
    nlattr header;
    std::memcpy(&header, rest.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > rest.size()) return std::nullopt;
    if ((header.nla_type & NLA_TYPE_MASK) == wanted) return rest.substr(sizeof header, header.nla_len - sizeof header);
    rest.remove_prefix(std::min(aligned(header.nla_len), rest.size()));
  }
  return std::nullopt;
}

Result<Netlink> Netlink::open() {
  UniqueFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return fail(errno, "open a netlink socket");
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTime, sizeof kAnswerTime) < 0)
    return fail(errno, "limit the time of netlink answers");
  // Lets a request ask for one device's list (Linux 4.20). Without it the list is longer.
  int on = 1;
  (void)setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  return Netlink(std::move(fd));
}

Result<Netlink> Netlink::open_in(int namespace_fd) {
  UniqueFd own = TRY(open_at(AT_FDCWD, "/proc/self/ns/net", O_RDONLY));
  if (setns(namespace_fd, CLONE_NEWNET) < 0) return fail(errno, "enter the network namespace");
  auto opened = open();
  if (setns(own.get(), CLONE_NEWNET) < 0) return fail(errno, "go back to the host's network namespace");
  return opened;
}

Result<void> Netlink::send(const NetlinkRequest& request, uint16_t flags, const std::string& what) {
  std::string message = request.finish(++sequence_, flags);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  ssize_t n = sendto(fd_.get(), message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
  if (n != static_cast<ssize_t>(message.size())) return fail(n < 0 ? errno : EIO, "{}: send to netlink", what);
  return {};
}

Result<std::string> Netlink::receive(const std::string& what) {
  for (;;) {
    std::string buffer(kAnswerBytes, '\0');
    sockaddr_nl sender{};
    socklen_t length = sizeof sender;
    ssize_t n =
        recvfrom(fd_.get(), buffer.data(), buffer.size(), MSG_TRUNC, reinterpret_cast<sockaddr*>(&sender), &length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(errno == EAGAIN ? ETIMEDOUT : errno, "{}: receive from netlink", what);
    if (static_cast<size_t>(n) > buffer.size()) return fail(EMSGSIZE, "{}: a netlink message of {} bytes", what, n);
    if (sender.nl_pid != 0) continue;  // not the kernel: any process may write to the socket
    buffer.resize(static_cast<size_t>(n));
    return buffer;
  }
}

Result<std::vector<NetlinkMessage>> Netlink::answers(const std::string& what, bool* changed) {
  std::vector<NetlinkMessage> found;
  for (size_t total = 0;;) {
    std::string buffer = TRY(receive(what));
    total += buffer.size();
    if (total > kMostBytes) return fail(EFBIG, "{}: more than {} bytes from netlink", what, kMostBytes);
    for (std::string_view rest = buffer; rest.size() >= sizeof(nlmsghdr);) {
      nlmsghdr header;
      std::memcpy(&header, rest.data(), sizeof header);
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size())
        return fail(EPROTO, "{}: a torn netlink message", what);
      std::string_view payload = rest.substr(sizeof header, header.nlmsg_len - sizeof header);
      rest.remove_prefix(std::min(aligned(header.nlmsg_len), rest.size()));
      if (header.nlmsg_seq != sequence_) continue;  // the answer to an earlier failed request
      if ((header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) *changed = true;
      if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) {
        int32_t code = 0;
        if (payload.size() >= sizeof code) std::memcpy(&code, payload.data(), sizeof code);
        if (code < 0) return fail(-code, "{}", what);
        return found;
      }
      found.push_back({header.nlmsg_type, std::string(payload)});
    }
  }
}

Result<void> Netlink::call(const NetlinkRequest& request, const std::string& what) {
  TRY(send(request, NLM_F_ACK, what));
  bool changed = false;
  TRY(answers(what, &changed));
  return {};
}

Result<NetlinkMessage> Netlink::get(const NetlinkRequest& request, const std::string& what) {
  TRY(send(request, NLM_F_ACK, what));
  bool changed = false;
  auto found = TRY(answers(what, &changed));
  if (found.empty()) return fail(EPROTO, "{}: netlink did not answer", what);
  return std::move(found.front());
}

Result<std::vector<NetlinkMessage>> Netlink::dump(const NetlinkRequest& request, const std::string& what) {
  for (int i = 0; i < kMostAttempts; i++) {
    TRY(send(request, NLM_F_DUMP, what));
    bool changed = false;
    auto found = TRY(answers(what, &changed));
    if (!changed) return found;
  }
  return fail(EAGAIN, "{}: the list changed while it was read, {} times", what, kMostAttempts);
}

}  // namespace minirun
