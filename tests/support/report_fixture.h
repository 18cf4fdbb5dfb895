// SPDX-License-Identifier: Apache-2.0
// A command with --report, and the report.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/support/exec_fixture.h"
#include "tests/support/json_schema.h"

namespace minirun::testing {

class ReportTest : public ExecTest {
 protected:
  static constexpr const char* kFile = "/run/tests/report.json";
  static constexpr const char* kDirectory = "/run/tests/reports";

  void TearDown() override {
    (void)unlink(kFile);
    ExecTest::TearDown();
  }
  static nlohmann::json checked(const std::string& text) {
    EXPECT_EQ(text.find('\n'), text.size() - 1) << text;
    auto report = nlohmann::json::parse(text, nullptr, false);
    EXPECT_EQ(schema_problem(report_schema(), report), "") << text;
    return report.is_object() ? report : nlohmann::json::object();
  }
  // That in the file, which is taken away.
  static nlohmann::json taken(const std::string& file = kFile) {
    std::string text = content(file);
    EXPECT_EQ(unlink(file.c_str()), 0) << file;
    return checked(text + "\n");
  }
  // Of a foreground run, which ends with this status.
  nlohmann::json report_of(int status, const std::vector<std::string>& flags = {}) {
    std::vector<std::string> all = {"--report", kFile};
    all.insert(all.end(), flags.begin(), flags.end());
    outcome_ = run(bundle_, all);
    EXPECT_EQ(outcome_.code, status) << describe(outcome_);
    nlohmann::json report = taken();
    EXPECT_EQ(report.value("exit_status", -1), status);
    return report;
  }
  Outcome outcome_;
};

}  // namespace minirun::testing
