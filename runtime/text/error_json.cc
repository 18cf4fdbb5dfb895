// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/error_json.h"

#include <cstring>
#include <string>

namespace minirun {

static void write_place(JsonWriter& json, uint32_t line, uint32_t column) {
  if (line != 0) json.key("line").unsigned_number(line).key("column").unsigned_number(column);
}

void write_error_keys(JsonWriter& json, const Error& error) {
  const ErrorDetail& detail = error.details();
  json.key("kind").string(kind_name(error.kind)).key("exit_status").number(error.exit_status);
  if (detail.step != 0) json.key("step").unsigned_number(detail.step).key("steps").unsigned_number(detail.steps);
  json.known("pointer", detail.pointer);
  write_place(json, detail.line, detail.column);
  json.known("call", detail.call);
  // An error of kind state is a fact about the container: Error::text() has no errno text either.
  const char* name = error.code != 0 && error.kind != ErrorKind::state ? strerrorname_np(error.code) : nullptr;
  if (name != nullptr) json.key("errno").string(name);
  json.known("path", detail.path);
  if (!detail.hints.empty()) {
    json.key("hints").begin_array();
    for (const std::string& hint : detail.hints) json.string(hint);
    json.end_array();
  }
  if (detail.problems.empty()) return;
  json.key("problems").begin_array();
  for (const Problem& problem : detail.problems) {
    json.begin_object().key("pointer").string(problem.pointer).key("message").string(problem.message);
    write_place(json, problem.line, problem.column);
    json.end_object();
  }
  json.end_array();
}

}  // namespace minirun
