// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/random_id.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <cerrno>
#include <cstdint>

namespace minirun {

Result<std::string> make_up_id() {
  uint8_t random[6];
  if (getrandom(random, sizeof random, 0) != sizeof random) return fail(errno, "getrandom");
  std::string id;
  for (uint8_t byte : random) id += fmt::format("{:02x}", byte);
  return id;
}

}  // namespace minirun
