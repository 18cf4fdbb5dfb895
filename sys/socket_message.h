// SPDX-License-Identifier: Apache-2.0
// Messages that carry descriptors (SCM_RIGHTS, unix(7)).
#pragma once

#include <span>
#include <string_view>

#include "sys/result.h"

namespace minirun {

// One sendmsg(2) with copies of the descriptors, which the caller keeps; none: an ordinary message. flags: MSG_DONTWAIT
// and the like; never SIGPIPE. Returns how many bytes went, which may be fewer on a stream. Errors: "sendmsg" with its
// errno: EAGAIN, EPIPE, ECONNRESET, EMSGSIZE; EINVAL for more than 253 descriptors (SCM_MAX_FD).
Result<size_t> send_message(int socket, std::string_view bytes, std::span<const int> descriptors, int flags = 0);

}  // namespace minirun
