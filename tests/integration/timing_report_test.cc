// SPDX-License-Identifier: Apache-2.0
// --timing with --report: the report has what the table says.
#include "tests/support/report_fixture.h"
#include "tests/support/timing_fixture.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class TimingInReport : public ReportTest {};

TEST_F(TimingInReport, OfARunAndAnExec) {
  bundle_.payload({"exit", "7"});
  bundle_.config["annotations"]["org.minirun.report"] = "true";
  json report = report_of(7, {"--timing"});
  ASSERT_TRUE(report.contains("timing")) << report;
  const json& timing = report["timing"];
  expect_sound(timing);
  expect_all_steps_timed(timing, 2);
  EXPECT_GE(phase_of(timing, "removal")["wall_us"], 0);
  // The two are of the same moment, but one counts from the first line of the command.
  EXPECT_GE(timing["setup_us"], report["times"]["setup_us"]);
  const std::string kept = std::string(kState) + "/.reports/" + id() + ".json";
  EXPECT_FALSE(taken(kept).contains("timing")) << "that of the annotation asks for none";
  remove_tree(std::string(kState) + "/.reports");
  EXPECT_FALSE(report_of(7).contains("timing"));
  remove_tree(std::string(kState) + "/.reports");
  bundle_.config.erase("annotations");
  start();
  EXPECT_EQ(exec({"--report", kFile, "--timing-json"}, {"/bin/payload", "true"}).code, 0);
  report = taken();
  ASSERT_TRUE(report.contains("timing")) << report;
  expect_sound(report["timing"]);
  EXPECT_EQ(report["timing"]["command"], "exec");
  end();
}

TEST_F(TimingInReport, OfALaunchThatFails) {
  bundle_.add_mount("/odd", "tmpfs", "tmpfs", {"sise=64m"});
  json report = report_of(1, {"--timing-json"});
  ASSERT_TRUE(report.contains("timing")) << report;
  expect_sound(report["timing"]);
  EXPECT_EQ(report["timing"]["failed_step"], report["error"]["step"]) << report;
}

}  // namespace
}  // namespace minirun::testing
