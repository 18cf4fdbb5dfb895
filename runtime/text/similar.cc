// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/similar.h"

#include <algorithm>
#include <array>

namespace minirun {
namespace {

constexpr size_t kLongest = 48;  // no property has a longer name

char folded(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// The distance of Damerau and Levenshtein in which no part is edited twice. Both are at most kLongest bytes.
size_t distance(std::string_view a, std::string_view b) {
  using Row = std::array<size_t, kLongest + 1>;
  Row before{}, above{}, row{};
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = folded(a[i - 1]) == folded(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) && folded(a[i - 2]) == folded(b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = above;
    above = row;
  }
  return above[b.size()];
}

}  // namespace

std::string_view similar_name(std::string_view name, const std::vector<std::string_view>& names) {
  std::string_view nearest;
  size_t least = std::min<size_t>(name.size() / 3, 3) + 1;
  if (name.size() > kLongest) return "";
  for (std::string_view candidate : names) {
    if (candidate.size() > kLongest) continue;
    const size_t edits = distance(name, candidate);
    if (edits > least || (edits == least && nearest.empty())) continue;
    nearest = edits == least ? "" : candidate;
    least = edits;
  }
  return nearest;
}

}  // namespace minirun
