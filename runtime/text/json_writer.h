// SPDX-License-Identifier: Apache-2.0
// Writes JSON: state.json, `plan --format json`, log lines. The output is valid for any input: bytes that are not UTF-8
// become U+FFFD.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace minirun {

// Appends text in double quotes, escaped.
void append_json_string(std::string& out, std::string_view text);

// Calls nest like the JSON; the writer adds the commas. indent 0 writes everything in one line.
//   JsonWriter json(2);
//   json.begin_object().key("pid").number(42).key("args").begin_array().string("sh").end_array().end_object();
class JsonWriter {
 public:
  explicit JsonWriter(int indent = 0) : indent_(indent) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view text);
  JsonWriter& number(int64_t value);
  JsonWriter& unsigned_number(uint64_t value);
  // Digits as in a file of the kernel: "12.34". Anything else becomes null.
  JsonWriter& decimal(std::string_view digits);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  // A member for what is known, and none for an empty text or no number.
  JsonWriter& known(std::string_view name, std::string_view text);
  JsonWriter& known(std::string_view name, const std::optional<uint64_t>& number);

  const std::string& text() const { return out_; }
  std::string take() { return std::move(out_); }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();
  void new_line();

  std::string out_;
  int indent_;
  int depth_ = 0;
  bool first_ = true;  // the innermost bracket is still empty
  bool after_key_ = false;
};

}  // namespace minirun
