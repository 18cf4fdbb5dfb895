// SPDX-License-Identifier: Apache-2.0
// What is known of system calls here: their names, and which errors a healthy program has to expect of them.
#pragma once

#include <cstdint>
#include <vector>

namespace minirun::testing {

struct CallFacts {
  long number;
  const char* name;
  // Of EIO, ENOSPC, EMFILE, ENOMEM, EAGAIN and EINTR those that the kernel can return here by what happens on the host,
  // whatever minirun does right. None: the call cannot fail by that (getpid), or only by a mistake in its arguments.
  std::vector<int> errors;
  // Not in every kernel or build of it that minirun is for (newer than 3.17, or a CONFIG_ option), or forbidden by
  // many a sandbox.
  bool may_be_missing = false;
};

// Ends the program for a call that is not in the table: a sweep must know each.
const CallFacts& call_of(long number);

// CallFacts::errors, as far as they can come with these arguments: EMFILE takes a call that makes a descriptor, ENOSPC
// one that makes a file, EINTR one that waits.
std::vector<int> errors_of(long number, const uint64_t* arguments);

}  // namespace minirun::testing
