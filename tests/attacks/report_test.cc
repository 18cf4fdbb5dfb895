// SPDX-License-Identifier: Apache-2.0
// A hostile container or record neither hangs nor misleads a report.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "sys/file.h"
#include "tests/support/report_fixture.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

class HostileReport : public ReportTest {
 protected:
  json deleted_in_time() {
    auto began = Clock::now();
    Outcome outcome = call({"delete", "--force", "--report", kFile, id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_LT(Clock::now() - began, std::chrono::seconds(10) * slowness());
    return taken();
  }
};

TEST_F(HostileReport, OfAFrozenContainerWithAHugeTreeOfCgroups) {
  bundle_.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev"});
  if (!bundle_.add_busybox({"sh", "mkdir", "sleep"})) GTEST_SKIP() << "no busybox";
  bundle_.config["process"]["args"] = {
      "/bin/sh", "-c",
      "cd /sys/fs/cgroup; for i in 0 1 2 3 4 5 6 7 8 9; do mkdir -p $i/0 $i/1 $i/2 $i/3 $i/4 $i/5 $i/6 $i/7 $i/8 $i/9; "
      "done; d=.; for i in 0 1 2 3 4 5 6 7 8 9; do d=$d/deep; mkdir $d; done; echo made > /dev/null; sleep 1000"};
  ASSERT_EQ(detach(bundle_).code, 0);
  const std::string cgroup = "/sys/fs/cgroup/minirun-" + id();
  ASSERT_TRUE(eventually(
      [&] { return access((cgroup + "/deep/deep/deep/deep/deep/deep/deep/deep/deep/deep").c_str(), F_OK) == 0; }));
  ASSERT_EQ(call({"pause", id()}).code, 0);
  json report = deleted_in_time();
  EXPECT_EQ(report["cause"], "stopped") << report;
  EXPECT_EQ(report["counters"], "own");
}

TEST_F(HostileReport, OfNamesThatEscape) {
  const std::string path = "/quote\"\x1b[31m\\back/own";
  bundle_.config["linux"]["cgroupsPath"] = path;
  bundle_.config["process"]["args"] = {"/no/\"such\n\x1b[31m"};
  Outcome outcome = run(bundle_, {"--report", kFile});
  EXPECT_NE(outcome.code, 0);
  json report = taken();
  EXPECT_EQ(report["id"], id());
  const std::string text = report.dump();
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
}

// What a damaged or forged record says is left out or kept within its range, and never believed against the kernel.
TEST_F(HostileReport, OfAScribbledRecord) {
  const std::string file = std::string(kState) + "/" + id() + "/state.json";
  const json ends[] = {
      "text",
      json::array({1}),
      {{"waitStatus", 1000000000}, {"stopSignal", 999}, {"killed", "yes"}, {"limit", 5}, {"time", json::array()}},
      {{"waitStatus", -1}, {"stopSignal", -5}, {"limit", "\x1b[31m\"}"}, {"time", "\n"}},
      {{"waitStatus", 65535}, {"stopSignal", 64}},
      {{"waitStatus", 0.5}, {"unknown", {{"deep", json::array({json::object()})}}}}};
  const json baselines[] = {"text",
                            {{"ancestors", "x"}, {"counters", json::array()}, {"whole", 1}},
                            {{"ancestors", {{{"path", "/\x1b\"\n"}, {"ooms", -1}}, 7, {{"path", 3}}}},
                             {"counters", {{"oomKill", -1}, {"cpu", 18446744073709551615ULL}, {"read", "many"}}}}};
  for (const json& end_member : ends)
    for (const json& baseline : baselines) {
      start();
      json record = json::parse(content(file));
      record.erase("checksum");  // as in older records
      record["end"] = end_member;
      record["baseline"] = baseline;
      record["exitStatus"] = 3;
      ASSERT_TRUE(replace_file(AT_FDCWD, file, record.dump(), 0600).ok());
      Outcome outcome = call({"wait", "--format", "json", id()});
      EXPECT_EQ(outcome.code, 3) << describe(outcome);
      EXPECT_EQ(checked(outcome.out)["exit_status"], 3) << end_member << baseline;
      (void)deleted_in_time();
      if (HasFailure()) return;
    }
}

// With CAP_SYS_PTRACE it can make its init say anything; the report marks what came from there.
TEST_F(HostileReport, MarksWhatComesFromTheContainersSide) {
  bundle_.payload({"exit", "7"});
  EXPECT_EQ(report_of(7)["status_from"], "init");
  EXPECT_EQ(report_of(7, {"--no-init"})["status_from"], "kernel");
}

}  // namespace
}  // namespace minirun::testing
