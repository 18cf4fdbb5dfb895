// SPDX-License-Identifier: Apache-2.0
// Thousands of config.json that are wrong, each in one place, made from a complete one. The same ones in every run.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace minirun::testing {

struct BadConfig {
  std::string what;     // for people: "/process/cwd: true"
  std::string text;     // of the file
  std::string pointer;  // where the error must be (or above, or below); empty: the text cannot be read, LINE:COLUMN
};

// complete: what every field has, also those that minirun refuses; valid: the same without these.
void each_bad_config(const nlohmann::json& complete, const nlohmann::json& valid,
                     const std::function<void(const BadConfig&)>& judge);

// One with null for a property, and the same without the property.
struct NullConfig {
  std::string pointer;
  std::string null;
  std::string absent;
};

// Each place of the valid one where null counts as absent.
void each_null(const nlohmann::json& valid, const std::function<void(const NullConfig&)>& judge);

}  // namespace minirun::testing
