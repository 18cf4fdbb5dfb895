// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/socket_activation.h"

#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace minirun {

static std::optional<uint32_t> number(const char* text) {
  if (text == nullptr) return std::nullopt;
  std::string_view digits = text;
  uint32_t value = 0;
  auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  bool whole = parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size();
  return whole ? std::optional(value) : std::nullopt;
}

ListenFds parse_listen_fds(const char* listen_pid, const char* listen_fds, const char* names, pid_t self) {
  constexpr uint32_t kMax = 1 << 20;  // more than RLIMIT_NOFILE ever allows, far from an overflow
  auto pid = number(listen_pid);
  auto count = number(listen_fds);
  ListenFds found;
  if (!pid || *pid != static_cast<uint32_t>(self) || !count || *count == 0 || *count > kMax) return found;
  found.count = *count;
  if (names != nullptr) found.names = names;
  return found;
}

ListenFds own_listen_fds() {
  return parse_listen_fds(getenv("LISTEN_PID"), getenv("LISTEN_FDS"), getenv("LISTEN_FDNAMES"), getpid());
}

}  // namespace minirun
