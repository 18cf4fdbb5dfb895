// SPDX-License-Identifier: Apache-2.0
#include "cgroups/cpu_list.h"

#include <bitset>
#include <charconv>

namespace minirun {
namespace {

constexpr unsigned kMost = 8192;  // the most cpus a kernel can be built for

std::bitset<kMost> parse(std::string_view list) {
  std::bitset<kMost> set;
  const char* at = list.data();
  const char* end = at + list.size();
  while (at != end) {
    unsigned first = 0;
    auto number = std::from_chars(at, end, first);
    if (number.ec != std::errc()) break;
    unsigned last = first;
    if (number.ptr != end && *number.ptr == '-') number = std::from_chars(number.ptr + 1, end, last);
    for (unsigned n = first; n <= last && n < kMost; ++n) set.set(n);
    at = number.ptr;
    if (at == end || *at != ',') break;
    ++at;
  }
  return set;
}

}  // namespace

bool cpu_list_within(std::string_view inner, std::string_view outer) {
  return (parse(inner) & ~parse(outer)).none();
}

std::vector<uint64_t> cpu_mask(std::string_view list) {
  std::bitset<kMost> set = parse(list);
  std::vector<uint64_t> mask;
  for (unsigned n = 0; n < kMost; ++n) {
    if (!set.test(n)) continue;
    mask.resize(n / 64 + 1);
    mask[n / 64] |= uint64_t{1} << n % 64;
  }
  return mask;
}

}  // namespace minirun
