// SPDX-License-Identifier: Apache-2.0
// Containers with an ailment, and what `doctor` finds in them.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "sys/file.h"
#include "tests/support/fixture.h"
#include "tests/support/json_schema.h"
#include "tests/support/world.h"

namespace minirun::testing {

class Doctor : public MinirunTest {
 protected:
  static constexpr const char* kSaid = "/run/tests/said";

  // The payload with these arguments, detached, until it has said "ready".
  void start(const std::vector<std::string>& args, std::vector<std::string> flags = {}) {
    bundle_.payload(args);
    bundle_.write();
    UniqueFd said(open(kSaid, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    StartOptions options;
    options.stdout_fd = options.stderr_fd = said.get();
    flags.emplace_back("--detach");
    Outcome outcome = Running(run_command(bundle_, flags), options).finish();
    ASSERT_EQ(outcome.code, 0) << content(kSaid);
    ASSERT_TRUE(eventually([] { return content(kSaid).find("ready") != std::string::npos; }, 20000)) << content(kSaid);
  }
  void ail(std::vector<std::string> kind, const std::vector<std::string>& flags = {}) {
    kind.insert(kind.begin(), "ailing");
    start(kind, flags);
  }
  void end() {
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    EXPECT_EQ(unlink(kSaid), 0);
  }

  // What doctor prints, after it was compared with its schema, and with the exit status.
  nlohmann::json examine(const std::string& interval = "100ms") {
    Outcome outcome = call({"doctor", "--interval", interval, "--format", "json", id()});
    nlohmann::json report = nlohmann::json::parse(outcome.out, nullptr, false);
    EXPECT_EQ(schema_problem(doctor_schema(), report), "") << describe(outcome);
    if (!report.is_object()) return nlohmann::json{{"findings", nlohmann::json::array()}};
    EXPECT_EQ(outcome.code, report["findings"].empty() ? 0 : 2) << describe(outcome);
    return report;
  }
  // "zombies stopped": the rules of its findings. Without cpu-host, which is the machine's, unless it is asked for.
  std::string rules(const std::string& interval = "100ms") {
    std::string all;
    const nlohmann::json report = examine(interval);
    for (const nlohmann::json& finding : report["findings"]) {
      std::string rule = finding["rule"];
      if (rule == "cpu-host" && interval == "100ms") continue;
      all += (all.empty() ? "" : " ") + rule;
    }
    return all;
  }
  // The first of a rule; null and a failed test without one.
  nlohmann::json finding(const std::string& rule, const std::string& interval = "100ms") {
    const nlohmann::json report = examine(interval);
    for (const nlohmann::json& finding : report["findings"])
      if (finding["rule"] == rule) return finding;
    ADD_FAILURE() << "no " << rule << " in " << report;
    return {{"text", ""}, {"remedy", ""}};
  }
  std::string cgroup() const { return "/sys/fs/cgroup/minirun-" + id(); }

  Bundle bundle_;
};

}  // namespace minirun::testing
