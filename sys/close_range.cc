// SPDX-License-Identifier: Apache-2.0
#include "sys/close_range.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace minirun {

bool close_all_but(std::span<const int> kept, unsigned first) {
  bool all = true;
  auto close_to = [&](unsigned last) {
    if (first <= last && syscall(SYS_close_range, first, last, 0) < 0) all = false;
  };
  for (int fd : kept) {
    auto number = static_cast<unsigned>(fd);
    if (fd < 0 || number < first) continue;
    if (number > 0) close_to(number - 1);
    first = number + 1;
  }
  close_to(~0U);
  return all;
}

}  // namespace minirun
