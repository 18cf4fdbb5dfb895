// SPDX-License-Identifier: Apache-2.0
// Errors of the moment: they say that the host was short of something or that a disk failed, and nothing of what was
// asked about. A question that ends so has no answer: it must not count as "it is not there".
#pragma once

#include <cerrno>

namespace minirun {

inline bool is_passing(int code) {
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
