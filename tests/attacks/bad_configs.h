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

}  // namespace minirun::testing
