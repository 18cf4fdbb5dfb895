// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/json_scan.h"

#include <algorithm>

#include "runtime/text/json.h"

namespace minirun {

static constexpr std::string_view kJsonSpace = " \t\r\n";

size_t past_space(std::string_view text, size_t at) {
  return std::min(text.find_first_not_of(kJsonSpace, at), text.size());
}

size_t past_string(std::string_view text, size_t at) {
  for (++at; text[at] != '"'; ++at)
    if (text[at] == '\\') ++at;
  return at + 1;
}

size_t past_value(std::string_view text, size_t at) {
  if (text[at] == '"') return past_string(text, at);
  if (text[at] != '{' && text[at] != '[') return std::min(text.find_first_of(" \t\r\n,]}", at), text.size());
  for (size_t depth = 0;;) {
    char c = text[at];
    if (c == '"') {
      at = past_string(text, at);
      continue;
    }
    ++at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
}

std::optional<std::string> decoded_string(std::string_view text) {
  if (text.empty() || text[0] != '"') return std::nullopt;
  if (text.find('\\') == text.npos) return std::string(text.substr(1, text.size() - 2));
  auto document = JsonDocument::parse(text);
  if (!document.ok()) return std::nullopt;
  return std::string((*document)->root().text());
}

std::string without_space(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    size_t end = text[at] == '"' ? past_string(text, at) : at + 1;
    if (kJsonSpace.find(text[at]) == kJsonSpace.npos) result += text.substr(at, end - at);
    at = end;
  }
  return result;
}

}  // namespace minirun
