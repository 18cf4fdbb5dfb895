// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/json_position.h"

#include <utility>

#include "runtime/text/json_scan.h"

namespace minirun {
namespace {

// Walks the values of a valid text in the order of the text.
class PositionFinder {
 public:
  PositionFinder(std::string_view text, const std::vector<JsonPlace>& places) : text_(text), places_(places) {}

  std::vector<JsonPosition> find() {
    found_.reserve(places_.size());
    while (at_ < text_.size() && found_.size() < places_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        string();
        continue;
      }
      if (c == '{' || c == '[' || starts_literal(c)) value(at_);
      if (starts_literal(c)) {
        at_ = past_value(text_, at_);
        continue;
      }
      ++at_;
      if (c != '\n') continue;
      ++line_;
      line_start_ = at_;
    }
    return std::move(found_);
  }

 private:
  static bool starts_literal(char c) { return c == '-' || (c >= '0' && c <= '9') || c == 't' || c == 'f' || c == 'n'; }

  // A name if a colon follows. A valid string has no line end in it.
  void string() {
    const size_t start = at_;
    at_ = past_string(text_, at_);
    const size_t next = past_space(text_, at_);
    if (next == text_.size() || text_[next] != ':') return value(start);
    name_ = position(start);
    named_ = true;
  }

  void value(size_t start) {
    for (; found_.size() < places_.size() && places_[found_.size()].order == order_;)
      found_.push_back(places_[found_.size()].of_name && named_ ? name_ : position(start));
    named_ = false;
    ++order_;
  }

  JsonPosition position(size_t at) const { return {line_, static_cast<uint32_t>(at - line_start_ + 1)}; }

  std::string_view text_;
  const std::vector<JsonPlace>& places_;
  std::vector<JsonPosition> found_;
  size_t at_ = 0, line_start_ = 0, order_ = 0;
  uint32_t line_ = 1;
  JsonPosition name_;
  bool named_ = false;
};

}  // namespace

std::vector<JsonPosition> find_positions(std::string_view text, const std::vector<JsonPlace>& places) {
  std::vector<JsonPosition> found = PositionFinder(text, places).find();
  found.resize(places.size());  // none is missing if the text is the document's
  return found;
}

}  // namespace minirun
