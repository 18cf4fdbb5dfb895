// SPDX-License-Identifier: Apache-2.0
#include "cgroups/own_name.h"

#include <fmt/format.h>

#include <algorithm>

#include "sys/fnv1a.h"

namespace minirun {

constexpr size_t kMostBytes = 255;  // NAME_MAX, and UNIT_NAME_MAX of systemd

std::string own_cgroup_name(std::string_view id, std::string_view suffix) {
  std::string name = fmt::format("minirun-{}{}", id, suffix);
  if (name.size() <= kMostBytes) return name;
  std::string end = fmt::format("-{:016x}{}", fnv1a(id), suffix);
  name.resize(kMostBytes - end.size());
  constexpr size_t kLongestEscape = 3;  // what may be missing of "\\x2b"
  size_t escape = name.rfind('\\');
  if (escape != name.npos && name.size() - escape <= kLongestEscape) name.resize(escape);
  return name + end;
}

}  // namespace minirun
