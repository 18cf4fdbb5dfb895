// SPDX-License-Identifier: Apache-2.0
// Members of an object of an image's JSON, by type. What Go's encoder writes for an empty value, null, is an absent
// one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/json.h"
#include "sys/result.h"

namespace minirun::unpack {

// file: for messages. Refuses what is flawed anywhere: a key twice, a NUL byte in a string.
Result<std::unique_ptr<JsonDocument>> parse_image_json(const std::string& file, std::string_view text);

// "FILE: POINTER: must be WHAT: found ..."
Error wrong_field(const std::string& file, const JsonValue& value, std::string_view what);

class Fields {
 public:
  // Errors: the value is no object.
  static Result<Fields> of(const std::string& file, const JsonValue& value);

  std::optional<JsonValue> find(std::string_view key) const;
  // Absent: "", an empty list.
  Result<std::string> text(std::string_view key) const;
  Result<std::vector<std::string>> texts(std::string_view key) const;
  Result<std::vector<std::pair<std::string, std::string>>> text_map(std::string_view key) const;
  Result<std::vector<std::string>> keys(std::string_view key) const;  // of an object whose values mean nothing
  Result<std::vector<JsonValue>> values(std::string_view key) const;  // of an array
  Result<std::optional<Fields>> object(std::string_view key) const;
  // "FILE: POINTER/KEY: must be WHAT: missing"
  Error missing(std::string_view key, std::string_view what) const;
  const JsonValue& value() const { return value_; }
  const std::string& file() const { return file_; }

 private:
  Fields(std::string file, JsonValue value) : file_(std::move(file)), value_(value) {}

  std::string file_;
  JsonValue value_;
};

}  // namespace minirun::unpack
