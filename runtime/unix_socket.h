// Unix sockets whose listener is to get a descriptor: console sockets, seccomp agents.
#pragma once

#include <string>
#include <string_view>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// Connects to a stream socket. The path may be longer than the 107 bytes that fit into an address. purpose: what names
// the path, for errors. timeout_ms bounds each of connecting and sending (ETIMEDOUT).
Result<UniqueFd> connect_stream(const std::string& path, std::string_view purpose, unsigned timeout_ms = 5000);

// One message with one descriptor (SCM_RIGHTS, unix(7)). Errors: EMSGSIZE when the text does not go as a whole.
Result<void> send_descriptor(int socket, std::string_view text, int fd);

}  // namespace minirun
