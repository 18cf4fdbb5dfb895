// SPDX-License-Identifier: Apache-2.0
// A short name for a long one, and a sum that every change of a single byte changes. Against attackers it is nothing.
#pragma once

#include <cstdint>
#include <string_view>

namespace minirun {

// FNV-1a of 64 bits. Names and records on disk depend on it.
constexpr uint64_t fnv1a(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace minirun
