// SPDX-License-Identifier: Apache-2.0
#include "sys/process_stat.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cstdlib>

#include "sys/file.h"

namespace minirun {

Result<std::string> read_stat(pid_t pid) {
  return read_file(AT_FDCWD, fmt::format("/proc/{}/stat", pid), 8192);
}

std::optional<uint64_t> stat_field(const std::string& stat, int number) {
  size_t at = stat.rfind(')');
  for (int field = 2; at != std::string::npos && field < number; field++) at = stat.find(' ', at + 1);
  if (at == std::string::npos) return std::nullopt;
  return static_cast<uint64_t>(strtoull(stat.c_str() + at, nullptr, 10));
}

}  // namespace minirun
