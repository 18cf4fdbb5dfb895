// SPDX-License-Identifier: Apache-2.0
// The only file that uses nlohmann/json: its event interface, which neither recurses nor builds its own tree.
#include "runtime/text/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "runtime/text/json_writer.h"
#include "runtime/text/shown.h"

namespace minirun {

namespace {
constexpr uint32_t kNone = UINT32_MAX;
}

// Small, because every page that parsing touches for the first time costs about a microsecond.
struct JsonNode {
  struct Slice {  // of the document's strings
    uint32_t at = 0;
    uint32_t size = 0;
  };
  JsonType type = JsonType::null;
  bool flag = false;  // boolean: its value; integer: negative
  uint32_t parent = kNone;
  uint32_t next = kNone;  // sibling; the first child, if any, is the node that follows
  uint32_t count = 0;     // children
  Slice key;
  Slice text;
  uint64_t integer = 0;  // two's complement
};

// Receives the parser's events. Returning false stops the parser.
class JsonBuilder {
 public:
  JsonBuilder(JsonDocument& document, std::string_view text) : document_(document), text_(text) {}

  bool null() { return add(JsonType::null) != nullptr; }

  bool boolean(bool value) {
    JsonNode* node = add(JsonType::boolean);
    if (node != nullptr) node->flag = value;
    return node != nullptr;
  }

  bool number_integer(int64_t value) {
    JsonNode* node = add(JsonType::integer);
    if (node == nullptr) return false;
    node->integer = static_cast<uint64_t>(value);
    node->flag = value < 0;
    return true;
  }

  bool number_unsigned(uint64_t value) {
    JsonNode* node = add(JsonType::integer);
    if (node != nullptr) node->integer = value;
    return node != nullptr;
  }

  // Also integers beyond 64 bits: their text is all digits.
  bool number_float(double /*value*/, const std::string& written) {
    JsonNode* node = add(JsonType::decimal);
    if (node != nullptr) node->text = keep(written);
    return node != nullptr;
  }

  bool string(const std::string& value) {
    JsonNode* node = add(JsonType::string);
    if (node == nullptr) return false;
    node->text = keep(value);
    if (value.find('\0') != std::string::npos) flaw(JsonFlaw::Kind::nul_in_string, last_index());
    return true;
  }

  bool binary(const std::vector<uint8_t>& /*value*/) { return false; }  // not in JSON text

  bool key(const std::string& value) {
    key_ = keep(value);
    nul_in_key_ = value.find('\0') != std::string::npos;
    return true;
  }

  bool start_object(size_t /*elements*/) { return open(JsonType::object); }
  bool start_array(size_t /*elements*/) { return open(JsonType::array); }

  bool end_object() {
    find_duplicates();
    return close();
  }
  bool end_array() { return close(); }

  // position counts the bytes that the parser has read.
  bool parse_error(size_t position, const std::string& token, const nlohmann::detail::exception& problem) {
    size_t at = position > 0 ? std::min(position, text_.size() + 1) - 1 : 0;
    error_ = at_position(at, reason(problem.what(), token));
    return false;
  }

  // The message begins with line:column of the byte at that offset.
  Error at_position(size_t offset, std::string_view message) const {
    std::string_view before = text_.substr(0, offset);
    size_t line = 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
    size_t line_start = before.rfind('\n');
    size_t column = offset - (line_start == std::string_view::npos ? 0 : line_start + 1) + 1;
    return fail(ErrorKind::config, "{}:{}: {}", line, column, message);
  }

  const std::optional<Error>& error() const { return error_; }

 private:
  // nlohmann's text without its prefix and without the last token, which may be megabytes of anything and may even look
  // like the text that follows it.
  static std::string reason(std::string_view what, const std::string& token) {
    if (what.starts_with("[json.exception.out_of_range")) return "number out of range";
    size_t start = what.find(": ");
    if (start != std::string_view::npos) what.remove_prefix(start + 2);
    const std::string last_read = "; last read: '" + token + "'";
    std::string text(what);
    if (size_t at = text.find(last_read); at != std::string::npos) text.erase(at, last_read.size());
    return text;
  }

  // Events have no position; the text up to here is valid, so a short walk finds it.
  size_t too_deep_at() const {
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text_.size(); ++i) {
      char c = text_[i];
      if (in_string && c == '\\') ++i;
      if (c == '"') in_string = !in_string;
      if (in_string) continue;
      if ((c == '[' || c == '{') && ++depth > kMaxJsonDepth) return i;
      if (c == ']' || c == '}') --depth;
    }
    return 0;
  }

  uint32_t last_index() const { return static_cast<uint32_t>(document_.nodes_.size() - 1); }

  void flaw(JsonFlaw::Kind kind, uint32_t index) {
    if (document_.flaws_.size() < kMaxFlaws) document_.flaws_.emplace_back(kind, index);
  }

  JsonNode* add(JsonType type) {
    auto& nodes = document_.nodes_;
    if (nodes.size() >= kMaxJsonValues) {
      error_ = fail(ErrorKind::config, "1:1: more than {} values", kMaxJsonValues);
      return nullptr;
    }
    auto index = static_cast<uint32_t>(nodes.size());
    JsonNode& node = nodes.emplace_back();
    node.type = type;
    node.parent = open_;
    if (open_ == kNone) return &node;
    if (nodes[open_].count++ > 0) nodes[last_[depth_]].next = index;
    last_[depth_] = index;
    if (nodes[open_].type == JsonType::object) {
      node.key = key_;
      if (nul_in_key_) flaw(JsonFlaw::Kind::nul_in_key, index);
    }
    return &node;
  }

  bool open(JsonType type) {
    if (depth_ == kMaxJsonDepth) {
      error_ = at_position(too_deep_at(), fmt::format("nested more than {} deep", kMaxJsonDepth));
      return false;
    }
    if (add(type) == nullptr) return false;
    open_ = last_index();
    ++depth_;
    return true;
  }

  bool close() {
    --depth_;
    open_ = document_.nodes_[open_].parent;
    return true;
  }

  // Decoded strings are never longer than their text, so a buffer of the text's size holds them all.
  JsonNode::Slice keep(const std::string& value) {
    JsonNode::Slice kept{used_, static_cast<uint32_t>(value.size())};
    std::memcpy(document_.strings_.get() + used_, value.data(), value.size());
    used_ += kept.size;
    return kept;
  }

  void find_duplicates() {
    std::optional<JsonValue> first = JsonValue(&document_, open_).first();
    if (document_.nodes_[open_].count <= kFewKeys) {
      for (auto value = first; value; value = value->next()) {
        auto same = first;
        while (same->key() != value->key()) same = same->next();
        if (same->order() != value->order()) flaw(JsonFlaw::Kind::duplicate_key, value->index_);
      }
      return;
    }
    std::vector<std::pair<std::string_view, uint32_t>> sorted;
    for (auto value = first; value; value = value->next()) sorted.emplace_back(value->key(), value->index_);
    std::sort(sorted.begin(), sorted.end());
    for (size_t i = 1; i < sorted.size(); ++i)
      if (sorted[i].first == sorted[i - 1].first) flaw(JsonFlaw::Kind::duplicate_key, sorted[i].second);
  }

  static constexpr size_t kFewKeys = 32;    // comparing each with each costs less than sorting
  static constexpr size_t kMaxFlaws = 100;  // no one reads more

  JsonDocument& document_;
  std::string_view text_;
  uint32_t used_ = 0;  // bytes of the document's strings
  JsonNode::Slice key_;
  bool nul_in_key_ = false;
  uint32_t open_ = kNone;                         // the innermost array or object that is not closed yet
  size_t depth_ = 0;                              // how many are open
  std::array<uint32_t, kMaxJsonDepth + 1> last_;  // by depth: the last child so far
  std::optional<Error> error_;
};

JsonDocument::JsonDocument() = default;
JsonDocument::~JsonDocument() = default;

Result<std::unique_ptr<JsonDocument>> JsonDocument::parse(std::string_view text) {
  if (text.size() > kMaxJsonBytes) return fail(ErrorKind::config, "1:1: more than {} bytes", kMaxJsonBytes);
  std::unique_ptr<JsonDocument> document(new JsonDocument);
  document->strings_ = std::make_unique_for_overwrite<char[]>(text.size() + 1);
  document->nodes_.reserve(std::min(text.size() / 8 + 1, kMaxJsonValues));
  JsonBuilder builder(*document, text);
  // The parser would stop at a NUL byte and ignore the rest.
  if (size_t nul = text.find('\0'); nul != std::string_view::npos) return builder.at_position(nul, "NUL byte");
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return builder.at_position(0, "no JSON in here: empty");
  if (!nlohmann::json::sax_parse(text.data(), text.data() + text.size(), &builder))
    return builder.error().value_or(fail(ErrorKind::config, "not JSON"));
  return document;
}

std::vector<JsonFlaw> JsonDocument::flaws() const {
  std::vector<JsonFlaw> all;
  for (auto [kind, index] : flaws_) all.push_back({kind, JsonValue(this, index)});
  return all;
}

JsonValue JsonDocument::nearest(std::string_view pointer) const {
  JsonValue value = root();
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    std::string_view token = pointer.substr(0, pointer.find('/'));
    pointer.remove_prefix(token.size());
    bool in_array = value.type() == JsonType::array;
    bool plain = token.find_first_of("~\\") == std::string_view::npos;
    uint32_t position = kNone;
    if (in_array) (void)std::from_chars(token.data(), token.data() + token.size(), position);  // kNone finds nothing
    auto child = value.first();
    while (child && !(in_array ? position-- == 0 : token == (plain ? child->key() : pointer_token(child->key()))))
      child = child->next();
    if (!child) return value;
    value = *child;
  }
  return value;
}

const JsonNode& JsonValue::node() const {
  return document_->nodes_[index_];
}

JsonType JsonValue::type() const {
  return node().type;
}

std::string_view JsonValue::key() const {
  return {document_->strings_.get() + node().key.at, node().key.size};
}

std::string_view JsonValue::text() const {
  return {document_->strings_.get() + node().text.at, node().text.size};
}

bool JsonValue::boolean() const {
  return node().flag;
}

std::optional<int64_t> JsonValue::int64() const {
  const JsonNode& n = node();
  if (n.type != JsonType::integer || (!n.flag && n.integer > INT64_MAX)) return std::nullopt;
  return static_cast<int64_t>(n.integer);
}

std::optional<uint64_t> JsonValue::uint64() const {
  const JsonNode& n = node();
  if (n.type != JsonType::integer || n.flag) return std::nullopt;
  return n.integer;
}

size_t JsonValue::size() const {
  return node().count;
}

std::optional<JsonValue> JsonValue::first() const {
  if (node().count == 0) return std::nullopt;
  return JsonValue(document_, index_ + 1);
}

std::optional<JsonValue> JsonValue::next() const {
  if (node().next == kNone) return std::nullopt;
  return JsonValue(document_, node().next);
}

std::optional<JsonValue> JsonValue::find(std::string_view wanted) const {
  auto child = first();
  while (child && child->key() != wanted) child = child->next();
  return child;
}

std::string JsonValue::pointer() const {
  std::string all;
  for (JsonValue value = *this; value.node().parent != kNone;) {
    JsonValue parent(document_, value.node().parent);
    std::string token;
    if (parent.type() == JsonType::array) {
      size_t position = 0;
      for (auto sibling = parent.first(); sibling->index_ != value.index_; sibling = sibling->next()) ++position;
      token = std::to_string(position);
    } else {
      token = pointer_token(value.key());
    }
    all.insert(0, token).insert(0, 1, '/');
    value = parent;
  }
  return all;
}

std::string JsonValue::describe() const {
  const JsonNode& n = node();
  switch (n.type) {
    case JsonType::null:
      return "null";
    case JsonType::boolean:
      return n.flag ? "true" : "false";
    case JsonType::integer:
      return n.flag ? std::to_string(static_cast<int64_t>(n.integer)) : std::to_string(n.integer);
    case JsonType::decimal:
      return text().size() > 40 ? std::string(text().substr(0, 40)) + "…" : std::string(text());
    case JsonType::string:
      return quoted(text());
    case JsonType::array:
      return n.count == 0 ? "an empty array" : fmt::format("an array of {}", n.count);
    case JsonType::object:
      return n.count == 0 ? "an empty object" : fmt::format("an object of {}", n.count);
  }
  return {};
}

std::string quoted(std::string_view text, size_t max_bytes) {
  bool cut = text.size() > max_bytes;
  size_t length = cut ? max_bytes : text.size();
  while (cut && length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0u) == 0x80u) --length;
  std::string out;
  append_json_string(out, text.substr(0, length));
  return cut ? out + "…" : out;
}

std::string pointer_token(std::string_view key) {
  std::string token;
  while (!key.empty()) {
    const size_t length = std::max<size_t>(utf8_length(key), 1);
    if (key[0] == '~')
      token += "~0";
    else if (key[0] == '/')
      token += "~1";
    else if (printed_length(key) > 0)
      token += key.substr(0, length);
    else  // of a control character the last byte is its number
      token += fmt::format("\\u{:04x}", static_cast<unsigned char>(key[length - 1]));
    key.remove_prefix(length);
  }
  return token;
}

}  // namespace minirun
