// SPDX-License-Identifier: Apache-2.0
// rtnetlink(7) for a few requests: builds a message, sends it, and waits for the answer. Every answer is bounded in
// size and time. A socket always belongs to the network namespace that it was opened in (network_namespaces(7)).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// A request under construction: the fixed part (struct ifinfomsg, ifaddrmsg), then attributes.
class NetlinkRequest {
 public:
  // type: RTM_*. flags: NLM_F_*; NLM_F_REQUEST is always set.
  NetlinkRequest(uint16_t type, uint16_t flags) : type_(type), flags_(flags) {}

  template <class Body>
  NetlinkRequest& body(const Body& fixed) {
    append(&fixed, sizeof fixed);
    return *this;
  }
  NetlinkRequest& bytes(uint16_t attribute, std::string_view data);
  // Adds the NUL that the kernel expects.
  NetlinkRequest& text(uint16_t attribute, const std::string& value);
  NetlinkRequest& number(uint16_t attribute, uint32_t value);
  // Nests the attributes that are appended between the two calls. begin returns the argument of end.
  size_t begin(uint16_t attribute);
  NetlinkRequest& end(size_t begun);

  // The whole message with its header.
  std::string finish(uint32_t sequence, uint16_t more_flags) const;

 private:
  void append(const void* data, size_t size);
  uint16_t type_;
  uint16_t flags_;
  std::string payload_;
};

// One message of an answer.
struct NetlinkMessage {
  uint16_t type = 0;
  std::string payload;  // the fixed part and the attributes

  // The fixed part; nothing when the message is too short for it.
  template <class Body>
  std::optional<Body> body() const {
    if (payload.size() < sizeof(Body)) return std::nullopt;
    Body fixed;
    __builtin_memcpy(&fixed, payload.data(), sizeof fixed);
    return fixed;
  }
  // An attribute after a fixed part of that size, if present. Points into the payload.
  std::optional<std::string_view> attribute(uint16_t type, size_t fixed_size) const;
};

class Netlink {
 public:
  // In the caller's network namespace.
  static Result<Netlink> open();
  // In the network namespace behind the descriptor; the calling thread enters it and returns. Needs CAP_SYS_ADMIN in
  // both (setns(2)).
  static Result<Netlink> open_in(int namespace_fd);

  // A change. The error's code is the kernel's, `what` its message ("set eth0 down").
  Result<void> call(const NetlinkRequest& request, const std::string& what);
  // A question with one answer.
  Result<NetlinkMessage> get(const NetlinkRequest& request, const std::string& what);
  // A question that is answered with a list; repeated if the list changed meanwhile.
  Result<std::vector<NetlinkMessage>> dump(const NetlinkRequest& request, const std::string& what);

 private:
  explicit Netlink(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<void> send(const NetlinkRequest& request, uint16_t flags, const std::string& what);
  Result<std::string> receive(const std::string& what);
  // Reads until the acknowledgement, the end of the list, or an error. changed: the list is inconsistent.
  Result<std::vector<NetlinkMessage>> answers(const std::string& what, bool* changed);

  UniqueFd fd_;
  uint32_t sequence_ = 0;
};

}  // namespace minirun
