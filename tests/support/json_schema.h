// SPDX-License-Identifier: Apache-2.0
// Compares what minirun prints with docs/schema/. Stricter than JSON Schema: a key that the schema does not list is a
// problem too, and so is a word of a schema that this does not know.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace minirun::testing {

// The first problem with its place; "" when it has none.
std::string schema_problem(const nlohmann::json& schema, const nlohmann::json& value, const std::string& at = "");

// Of docs/schema, as they were when the tests were built: a guest has no sources.
nlohmann::json error_schema();
nlohmann::json report_schema();
nlohmann::json status_schema();
nlohmann::json doctor_schema();
nlohmann::json timing_schema();
nlohmann::json top_schema();
nlohmann::json check_schema();

}  // namespace minirun::testing
