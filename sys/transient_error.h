// SPDX-License-Identifier: Apache-2.0
// Transient errors: the host ran short of something or a disk failed. They do not answer the question that was asked:
// never read one as "not found".
#pragma once

#include <cerrno>

namespace minirun {

// code: an errno value (errno(3)).
inline bool is_transient(int code) {
  switch (code) {
    case EIO:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EAGAIN:
    case EINTR:
      return true;
    default:
      return false;
  }
}

}  // namespace minirun
