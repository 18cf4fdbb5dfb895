// SPDX-License-Identifier: Apache-2.0
#include "unpack/json_fields.h"

namespace minirun::unpack {

Result<std::unique_ptr<JsonDocument>> parse_image_json(const std::string& file, std::string_view text) {
  auto parsed = JsonDocument::parse(text);
  if (!parsed.ok()) return wrap(parsed.error(), file);
  std::unique_ptr<JsonDocument> document = std::move(parsed).value();
  auto flaws = document->flaws();
  if (flaws.empty()) return document;
  const char* what = flaws[0].kind == JsonFlaw::Kind::duplicate_key ? "must stand once in its object"
                                                                    : "must not contain a NUL character";
  return fail(ErrorKind::config, "{}: {}: {}", file, flaws[0].value.pointer(), what);
}

Error wrong_field(const std::string& file, const JsonValue& value, std::string_view what) {
  return fail(ErrorKind::config, "{}: {}: must be {}: found {}", file, value.pointer(), what, value.describe());
}

Result<Fields> Fields::of(const std::string& file, const JsonValue& value) {
  if (value.type() != JsonType::object) return wrong_field(file, value, "an object");
  return Fields(file, value);
}

std::optional<JsonValue> Fields::find(std::string_view key) const {
  auto found = value_.find(key);
  return found && found->type() == JsonType::null ? std::nullopt : found;
}

Result<std::string> Fields::text(std::string_view key) const {
  auto found = find(key);
  if (!found) return std::string();
  if (found->type() != JsonType::string) return wrong_field(file_, *found, "a string");
  return std::string(found->text());
}

Result<std::vector<JsonValue>> Fields::values(std::string_view key) const {
  std::vector<JsonValue> all;
  auto found = find(key);
  if (!found) return all;
  if (found->type() != JsonType::array) return wrong_field(file_, *found, "an array");
  for (auto value = found->first(); value; value = value->next()) all.push_back(*value);
  return all;
}

Result<std::vector<std::string>> Fields::texts(std::string_view key) const {
  std::vector<std::string> all;
  for (const JsonValue& value : TRY(values(key))) {
    if (value.type() != JsonType::string) return wrong_field(file_, value, "a string");
    all.emplace_back(value.text());
  }
  return all;
}

Result<std::vector<std::pair<std::string, std::string>>> Fields::text_map(std::string_view key) const {
  std::vector<std::pair<std::string, std::string>> all;
  auto found = find(key);
  if (!found) return all;
  if (found->type() != JsonType::object) return wrong_field(file_, *found, "an object");
  for (auto value = found->first(); value; value = value->next()) {
    if (value->type() != JsonType::string) return wrong_field(file_, *value, "a string");
    all.emplace_back(value->key(), value->text());
  }
  return all;
}

Result<std::vector<std::string>> Fields::keys(std::string_view key) const {
  std::vector<std::string> all;
  auto found = find(key);
  if (!found) return all;
  if (found->type() != JsonType::object) return wrong_field(file_, *found, "an object");
  for (auto value = found->first(); value; value = value->next()) all.emplace_back(value->key());
  return all;
}

Result<std::optional<Fields>> Fields::object(std::string_view key) const {
  auto found = find(key);
  if (!found) return std::optional<Fields>();
  return std::optional<Fields>(TRY(of(file_, *found)));
}

Error Fields::missing(std::string_view key, std::string_view what) const {
  return fail(ErrorKind::config, "{}: {}/{}: must be {}: missing", file_, value_.pointer(), pointer_token(key), what);
}

}  // namespace minirun::unpack
