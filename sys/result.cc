// SPDX-License-Identifier: Apache-2.0
#include "sys/result.h"

#include <cstring>

namespace minirun {

std::string errno_text(int code) {
  const char* name = strerrordesc_np(code);  // async-signal-safe, never localised
  std::string text = name != nullptr ? name : "errno " + std::to_string(code);
  // "Is a directory" → "is a directory", but "RFS specific error" keeps its abbreviation.
  if (text.size() > 1 && text[1] >= 'a' && text[1] <= 'z' && text[0] >= 'A' && text[0] <= 'Z')
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

std::string Error::text() const {
  return code == 0 ? message : message + ": " + errno_text(code);
}

}  // namespace minirun
