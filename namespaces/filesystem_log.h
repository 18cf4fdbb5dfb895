// SPDX-License-Identifier: Apache-2.0
// What a filesystem says about a mount that failed, as read(2) of its fsopen(2) descriptor gives it.
#pragma once

#include <string>
#include <string_view>

namespace minirun {

// Without the letter of its severity ("e tmpfs: ...") and the line end.
inline std::string filesystem_words(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.remove_suffix(1);
  bool severity = line.starts_with("e ") || line.starts_with("w ") || line.starts_with("i ");
  return std::string(line.substr(severity ? 2 : 0));
}

}  // namespace minirun
