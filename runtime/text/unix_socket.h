// SPDX-License-Identifier: Apache-2.0
// Sends a descriptor to the listener of a Unix socket: console sockets, seccomp agents.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>
#include <string_view>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct UnixAddress {
  sockaddr_un socket{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&socket); }
};

// The address of an existing socket: a path, which may be longer than the 107 bytes that fit into an address, or
// "@NAME" for an abstract one (unix(7)). *opened must live until the address was used. Errors: ENAMETOOLONG for a name.
Result<UnixAddress> unix_address(const std::string& name, UniqueFd* opened);

// Connects to a stream socket, whose path may be long. purpose: the option or property that names the path, for errors.
// timeout_ms bounds each of connecting and sending (ETIMEDOUT).
Result<UniqueFd> connect_stream(const std::string& path, std::string_view purpose, unsigned timeout_ms = 5000);

// One message with one descriptor (SCM_RIGHTS, unix(7)). Errors: EMSGSIZE if the text was not sent as a whole.
Result<void> send_descriptor(int socket, std::string_view text, int fd);

}  // namespace minirun
