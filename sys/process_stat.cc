// SPDX-License-Identifier: Apache-2.0
#include "sys/process_stat.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
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

Result<std::string> read_status(pid_t pid) {
  return read_file(AT_FDCWD, fmt::format("/proc/{}/status", pid));
}

std::optional<std::string> status_field(const std::string& status, const std::string& name) {
  size_t at = ("\n" + status).find("\n" + name + ":");
  if (at == std::string::npos) return std::nullopt;
  constexpr const char* kBlanks = " \t";
  size_t end = std::min(status.find('\n', at), status.size());
  size_t first = std::min(status.find_first_not_of(kBlanks, at + name.size() + 1), end);
  size_t last = status.find_last_not_of(kBlanks, end - 1);
  return status.substr(first, first < end ? last + 1 - first : 0);
}

}  // namespace minirun
