// SPDX-License-Identifier: Apache-2.0
// The name that a misspelt one most likely means.
#pragma once

#include <string_view>
#include <vector>

namespace minirun {

// The one of the names with the fewest insertions, deletions, substitutions and swaps of neighbours, without regard to
// case; "" if more than a third of the letters differ, or if two are equally near.
std::string_view similar_name(std::string_view name, const std::vector<std::string_view>& names);

}  // namespace minirun
