// SPDX-License-Identifier: Apache-2.0
// Config files for tests: a small valid one, and changes to it by JSON pointer.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "runtime/oci/bundle.h"
#include "runtime/oci/parse.h"
#include "runtime/text/json.h"
#include "runtime/text/json_writer.h"
#include "sys/file.h"

namespace minirun::test {

using Lines = std::vector<std::string>;

// Valid, and with every namespace that minirun can make, so that rules about something else stand alone.
inline constexpr std::string_view kSmallConfig = R"({
  "ociVersion": "1.3.0",
  "root": {"path": "rootfs"},
  "process": {"cwd": "/", "args": ["/bin/true"], "user": {"uid": 0, "gid": 0}},
  "linux": {"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"},
                           {"type": "cgroup"}]}
})";

inline void append_json(std::string& out, JsonValue value) {
  if (value.type() == JsonType::string)
    append_json_string(out, value.text());
  else if (value.type() == JsonType::array || value.type() == JsonType::object) {
    bool array = value.type() == JsonType::array;
    out += array ? '[' : '{';
    for (auto child = value.first(); child; child = child->next()) {
      if (out.back() != '[' && out.back() != '{') out += ',';
      if (!array) append_json_string(out, child->key()), out += ':';
      append_json(out, *child);
    }
    out += array ? ']' : '}';
  } else {
    out += value.describe();
  }
}

// What is at the pointer below value, or below nothing, replaced by raw text.
inline void append_changed(std::string& out, const std::optional<JsonValue>& value, std::string_view pointer,
                           std::string_view raw) {
  if (pointer.empty()) {
    out += raw;
    return;
  }
  pointer.remove_prefix(1);
  std::string_view token = pointer.substr(0, pointer.find('/'));
  std::string_view rest = pointer.substr(token.size());
  bool array = value && value->type() == JsonType::array;
  bool found = false;
  size_t index = 0;
  out += array ? '[' : '{';
  for (auto child = value ? value->first() : std::nullopt; child; child = child->next(), ++index) {
    if (index > 0) out += ',';
    if (!array) append_json_string(out, child->key()), out += ':';
    bool here = array ? std::to_string(index) == token : pointer_token(child->key()) == token;
    found = found || here;
    if (here)
      append_changed(out, child, rest, raw);
    else
      append_json(out, *child);
  }
  if (!found) {
    if (index > 0) out += ',';
    if (!array) append_json_string(out, token), out += ':';
    append_changed(out, std::nullopt, rest, raw);
  }
  out += array ? ']' : '}';
}

// The config with the value at the pointer set (and objects on the way made).
inline std::string with(std::string_view config, std::string_view pointer, std::string_view raw) {
  auto document = JsonDocument::parse(config);
  std::string out;
  append_changed(out, (*document)->root(), pointer, raw);
  return out;
}

// The lines of what is wrong, without "config.json:LINE:COLUMN: ". Syntax errors keep line and column.
inline Lines problems_of(std::string_view config) {
  auto bundle = parse_config(config);
  Lines lines;
  if (bundle.ok()) return lines;
  std::string_view text = bundle.error().message;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    EXPECT_EQ(line.substr(0, 11), "config.json");
    line.remove_prefix(12);
    const size_t place = line.find(": ");
    const bool has_pointer = line.substr(place + 2).starts_with('/') || bundle.error().details().line != 0;
    if (line.starts_with(' '))
      line.remove_prefix(1);
    else if (has_pointer)
      line.remove_prefix(place + 2);
    lines.emplace_back(line);
  }
  return lines;
}

// Of a change to the small config.
inline Lines problems_with(std::string_view pointer, std::string_view raw) {
  return problems_of(with(kSmallConfig, pointer, raw));
}

// A file of tests/unit/data.
// Of the source tree: a failure that names the file where that is not there, as in a guest.
inline std::string data(const std::string& name) {
  auto text = read_file(AT_FDCWD, MINIRUN_SOURCE_DIR "/tests/unit/data/" + name);
  if (text.ok()) return *std::move(text);
  ADD_FAILURE() << text.error().text();
  return "{}";
}

// Calls visit with each value below (and with) root.
template <class F>
void each_value(JsonValue value, F visit) {
  visit(value);
  for (auto child = value.first(); child; child = child->next()) each_value(*child, visit);
}

inline ParseOutcome parse(std::string_view text) {
  auto document = JsonDocument::parse(text);
  EXPECT_TRUE(document.ok());
  return parse_spec(**document);
}

inline Lines lines_of(const ParseOutcome& outcome) {
  Lines lines;
  for (const Problem& problem : outcome.problems) lines.push_back(problem.pointer + ": " + problem.message);
  return lines;
}

}  // namespace minirun::test
