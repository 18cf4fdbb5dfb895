// SPDX-License-Identifier: Apache-2.0
#include "cgroups/own_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace minirun {
namespace {

constexpr size_t kMostBytes = 255;  // NAME_MAX, and UNIT_NAME_MAX of systemd

uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

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
