// SPDX-License-Identifier: Apache-2.0
#include "tests/support/json_schema.h"

#include <algorithm>
#include <regex>
#include <set>

#include "schema_texts.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

bool has_type(const std::string& type, const json& value) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  return false;
}

std::string member_problem(const json& schema, const json& value, const std::string& at) {
  for (const json& key : schema.value("required", json::array()))
    if (!value.contains(key.get<std::string>())) return at + ": lacks " + key.dump();
  const json properties = schema.value("properties", json::object());
  for (const auto& [key, member] : value.items()) {
    if (!properties.contains(key)) return at + ": the schema has no " + key;
    std::string problem = schema_problem(properties[key], member, at + "/" + key);
    if (!problem.empty()) return problem;
  }
  return "";
}

std::string alternative_problem(const json& schemas, const json& value, const std::string& at) {
  std::string problems;
  int fits = 0;
  for (const json& schema : schemas) {
    std::string problem = schema_problem(schema, value, at);
    if (problem.empty())
      ++fits;
    else
      problems += "\n  " + problem;
  }
  return fits == 1 ? "" : at + ": fits " + std::to_string(fits) + " of the alternatives" + problems;
}

}  // namespace

std::string schema_problem(const json& schema, const json& value, const std::string& at) {
  static const std::set<std::string> known = {"$schema",    "title",   "description", "type",  "required",
                                              "properties", "enum",    "pattern",     "items", "const",
                                              "minimum",    "maximum", "oneOf",       "$ref"};
  for (const auto& [word, meaning] : schema.items())
    if (!known.contains(word)) return at + ": the schema's " + word + " is not known here";
  if (schema.contains("$ref")) {
    if (schema["$ref"] == "report.json") return schema_problem(report_schema(), value, at);
    return schema["$ref"] == "timing.json" ? schema_problem(timing_schema(), value, at) : at + ": an unknown $ref";
  }
  if (schema.contains("oneOf")) return alternative_problem(schema["oneOf"], value, at);
  if (schema.contains("type") && !has_type(schema["type"], value)) return at + ": is no " + schema["type"].dump();
  if (schema.contains("const") && schema["const"] != value) return at + ": is not " + schema["const"].dump();
  const json choices = schema.value("enum", json::array({value}));
  if (std::find(choices.begin(), choices.end(), value) == choices.end()) return at + ": is none of " + choices.dump();
  if (value.is_number_integer() && (value < schema.value("minimum", value) || value > schema.value("maximum", value)))
    return at + ": out of range: " + value.dump();
  if (value.is_string() && schema.contains("pattern") &&
      !std::regex_search(value.get<std::string>(), std::regex(schema["pattern"].get<std::string>())))
    return at + ": " + value.dump() + " does not match " + schema["pattern"].dump();
  if (value.is_array() && schema.contains("items"))
    for (size_t i = 0; i < value.size(); ++i) {
      std::string problem = schema_problem(schema["items"], value[i], at + "/" + std::to_string(i));
      if (!problem.empty()) return problem;
    }
  return value.is_object() ? member_problem(schema, value, at) : "";
}

json error_schema() {
  return json::parse(kErrorSchema);
}

json report_schema() {
  return json::parse(kReportSchema);
}

json status_schema() {
  return json::parse(kStatusSchema);
}

json doctor_schema() {
  return json::parse(kDoctorSchema);
}

json timing_schema() {
  return json::parse(kTimingSchema);
}

json top_schema() {
  return json::parse(kTopSchema);
}

json check_schema() {
  return json::parse(kCheckSchema);
}

}  // namespace minirun::testing
