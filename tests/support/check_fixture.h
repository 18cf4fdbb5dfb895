// SPDX-License-Identifier: Apache-2.0
// `minirun check`: its report as JSON, and what it leaves.
#pragma once

#include <string>
#include <vector>

#include "tests/support/json_schema.h"
#include "tests/support/rootless_fixture.h"

namespace minirun::testing {

class Check : public RootlessTest {
 protected:
  static nlohmann::json parsed(const Outcome& outcome) {
    nlohmann::json report = nlohmann::json::parse(outcome.out, nullptr, false);
    EXPECT_EQ(schema_problem(check_schema(), report), "") << describe(outcome);
    return report.is_object() ? report : nlohmann::json::object();
  }
  nlohmann::json check(const Bundle& bundle, const std::vector<std::string>& flags = {}) const {
    bundle.write();
    std::vector<std::string> args = {"check", "--format", "json"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.push_back(bundle.path());
    const Traces before = take_traces();
    Outcome outcome = call(args);
    expect_as_before(before, "check");
    nlohmann::json report = parsed(outcome);
    EXPECT_EQ(outcome.code, report.value("verdict", "") == "no" ? 2 : 0) << describe(outcome);
    return report;
  }
  // The lines of a verdict, as "pointer: message".
  static std::string lines(const nlohmann::json& report, const std::string& verdict) {
    std::string all;
    for (const nlohmann::json& line : report.value("lines", nlohmann::json::array()))
      if (line["verdict"] == verdict)
        all += line.value("pointer", "") + ": " + line["message"].get<std::string>() + "\n";
    return all;
  }
};

}  // namespace minirun::testing
