// SPDX-License-Identifier: Apache-2.0
// JSON text (RFC 8259) as a compact, read-only tree. config.json comes from the author of the bundle, so nothing here
// trusts it: the size, the depth and the number of values are bounded, and nothing recurses.
//
// parse() fails on unreadable text (syntax, invalid UTF-8, a lone surrogate, a NUL byte, too deep). flaws() lists what
// is readable but always wrong (a key twice in an object, U+0000 in a string, which no C string can hold), so that it
// is reported together with everything else.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace minirun {

inline constexpr size_t kMaxJsonBytes = size_t{16} << 20;
inline constexpr size_t kMaxJsonValues = 1'000'000;
inline constexpr size_t kMaxJsonDepth = 128;

enum class JsonType : uint8_t { null, boolean, integer, decimal, string, array, object };

struct JsonNode;
class JsonDocument;

// A value inside a document: two words, valid as long as the document.
class JsonValue {
 public:
  JsonType type() const;
  std::string_view key() const;   // the name of this member; "" in an array
  std::string_view text() const;  // of a string; of a decimal or an integer beyond 64 bits: as written
  bool boolean() const;           // of a boolean

  // Integers are exact or absent. 1.0 and 1e3 are decimals, not integers, as in Go's JSON decoder and so in runc.
  std::optional<int64_t> int64() const;
  std::optional<uint64_t> uint64() const;

  // Children in the order of the text: `for (auto v = x.first(); v; v = v->next())`.
  size_t size() const;
  std::optional<JsonValue> first() const;
  std::optional<JsonValue> next() const;
  std::optional<JsonValue> find(std::string_view key) const;  // the first of that name

  // RFC 6901. "" for the root; control characters are shown as \uXXXX, since pointers go to terminals.
  std::string pointer() const;
  // The value for error messages: "text" (shortened), 12, true, null, an empty array, an object of 3.
  std::string describe() const;
  // Position among all values of the document: sorts by place in the text.
  size_t order() const { return index_; }

 private:
  friend class JsonDocument;
  friend class JsonBuilder;
  JsonValue(const JsonDocument* document, uint32_t index) : document_(document), index_(index) {}
  const JsonNode& node() const;

  const JsonDocument* document_;
  uint32_t index_;
};

struct JsonFlaw {
  enum class Kind : uint8_t { duplicate_key, nul_in_string, nul_in_key };
  Kind kind;
  JsonValue value;
};

class JsonDocument {
 public:
  // The text is not needed afterwards. Errors have code 0 and begin with "LINE:COLUMN: " (both from 1, in bytes; text
  // that is too big is wrong from 1:1 on).
  static Result<std::unique_ptr<JsonDocument>> parse(std::string_view text);

  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;
  ~JsonDocument();

  JsonValue root() const { return {this, 0}; }
  std::vector<JsonFlaw> flaws() const;
  // The value at a pointer as pointer() writes it, or its nearest existing ancestor.
  JsonValue nearest(std::string_view pointer) const;

 private:
  friend class JsonValue;
  friend class JsonBuilder;
  JsonDocument();

  std::vector<JsonNode> nodes_;  // in the order of the text; the root first
  std::unique_ptr<char[]> strings_;
  std::vector<std::pair<JsonFlaw::Kind, uint32_t>> flaws_;
};

// "/" and "~" as RFC 6901 escapes them, control characters as \uXXXX.
std::string pointer_token(std::string_view key);

// In double quotes with JSON's escapes, at most max_bytes of it (then "…"): for messages.
std::string quoted(std::string_view text, size_t max_bytes = 80);

}  // namespace minirun
