// SPDX-License-Identifier: Apache-2.0
#include "sys/pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace minirun {

Result<Pipe> make_pipe(int flags) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | flags) < 0) return fail(errno, "pipe2");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace minirun
