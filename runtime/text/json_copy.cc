// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/json_copy.h"

namespace minirun {
namespace {

void copy_number(JsonWriter& out, const JsonValue& value) {
  if (auto number = value.int64())
    out.number(*number);
  else if (auto large = value.uint64())
    out.unsigned_number(*large);
  else
    out.decimal(value.text());
}

void copy_object(JsonWriter& out, const JsonValue& value, const JsonReplacements& replacements) {
  out.begin_object();
  for (auto member = value.first(); member; member = member->next()) {
    out.key(member->key());
    copy_json(out, *member, replacements);
  }
  const std::string inside = value.pointer() + "/";
  for (auto it = replacements.lower_bound(inside); it != replacements.end() && it->first.starts_with(inside); ++it) {
    std::string name = it->first.substr(inside.size());
    if (name.find('/') != std::string::npos || value.find(name)) continue;
    out.key(name);
    it->second(out);
  }
  out.end_object();
}

}  // namespace

// As deep as a document may be (kMaxJsonDepth).
void copy_json(JsonWriter& out, const JsonValue& value, const JsonReplacements& replacements) {
  if (auto found = replacements.find(value.pointer()); found != replacements.end()) return found->second(out);
  switch (value.type()) {
    case JsonType::null:
      out.null();
      return;
    case JsonType::boolean:
      out.boolean(value.boolean());
      return;
    case JsonType::integer:
    case JsonType::decimal:
      return copy_number(out, value);
    case JsonType::string:
      out.string(value.text());
      return;
    case JsonType::array:
      out.begin_array();
      for (auto child = value.first(); child; child = child->next()) copy_json(out, *child, replacements);
      out.end_array();
      return;
    case JsonType::object:
      return copy_object(out, value, replacements);
  }
}

}  // namespace minirun
