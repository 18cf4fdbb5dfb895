// SPDX-License-Identifier: Apache-2.0
// The protocol between minirun and its helper: each message is one packet of a SOCK_SEQPACKET pair (the helper's
// stdin).
//
//   minirun                                minirun-systemd
//   look UNIT                    -->       connects to systemd
//                                <--       its version and cgroup; whether the unit exists
//   start UNIT, properties       -->       the scope is made around a placeholder, which only sleeps
//                                <--       the scope's cgroup, the placeholder's pid
//   release                      -->       the placeholder ends; the container's first process exists by now
//                                <--       it has ended
//
// update and delete send only `set` and `stop`. A side that loses the other end is done: if minirun is killed, the
// helper and its placeholder end too, and systemd stops the empty scope.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cgroups/systemd/property.h"
#include "sys/result.h"

namespace minirun::systemd {

// Every packet begins with both as one number, kProtocolMagic in the upper three bytes. Both programs belong to one
// release: a packet of another format is refused, and the error has both numbers.
constexpr uint32_t kProtocolMagic = 0x6d7273;  // "mrs"
constexpr uint32_t kProtocolFormat = 1;
constexpr size_t kMostMessageBytes = 64 << 10;

enum class Call : uint32_t { look, start, release, set, stop, adopt, last = adopt };

struct Request {
  Call call = Call::look;
  bool user = false;      // the manager of the user, not that of the system
  std::string unit;       // "minirun-web1.scope"
  std::string mark;       // the unit's Description: stop leaves a unit with another one alone
  uint32_t pid = 0;       // adopt: a process that a new scope is made around
  Properties properties;  // start, set, adopt
};

struct Reply {
  std::string error;        // systemd's own words; empty: done
  uint32_t code = 0;        // errno value with an error
  uint32_t version = 0;     // look: systemd's (252)
  std::string cgroup;       // look: the manager's ("", or that of user@UID.service); start: the scope's
  std::string load_state;   // look: "not-found", "loaded"
  std::string description;  // look: of a unit that is loaded
  uint32_t pid = 0;         // start: the placeholder's
};

std::string encode(const Request& request);
std::string encode(const Reply& reply);

// EPROTO: not a message of this protocol, or of another format.
Result<Request> decode_request(std::string_view packet);
Result<Reply> decode_reply(std::string_view packet);

}  // namespace minirun::systemd
