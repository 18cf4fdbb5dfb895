// SPDX-License-Identifier: Apache-2.0
// A hostile container or record neither hangs nor misleads a report.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <random>

#include "namespaces/end_page.h"
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

class HostilePage : public HostileReport {
 protected:
  std::string page() const { return std::string(kState) + "/" + id() + "/end"; }
  static std::string bytes_of(const EndPage& page) { return {reinterpret_cast<const char*>(&page), sizeof page}; }
  // Of an end with status 0, long before it.
  static EndPage lie() {
    EndPage page{};
    page.magic = kEndPageMagic;
    page.format = kEndPageFormat;
    page.state = kEndWritten;
    page.seconds = 1'000'000'000;
    return page;
  }
  static bool holds_pidfd(pid_t pid) {
    std::error_code gone;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", gone))
      if (link_target(entry.path()).find("pidfd") != std::string::npos) return true;
    return false;
  }
  static void kill_and_await(pid_t pid) {
    EXPECT_EQ(kill(pid, SIGKILL), 0);
    EXPECT_TRUE(eventually([&] { return access(("/proc/" + std::to_string(pid)).c_str(), F_OK) != 0; }));
  }
  // A container that can trace its init: a shell runs the script.
  void make_script(const std::string& script) {
    ASSERT_TRUE(bundle_.add_busybox({"sh", "grep", "dd", "sleep", "cat", "ls"}));
    bundle_.add_capability("CAP_SYS_PTRACE");
    bundle_.add_capability("CAP_DAC_OVERRIDE");
    bundle_.config["process"]["args"] = {"/bin/sh", "-c", "exec 2> /dev/null; " + script};
  }
  void start_script() {
    Outcome outcome = detach(bundle_, {"--pid-file", kPidFile});
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
  }
};

// Whatever the page holds, the report is whole, its values are in their ranges, and what comes from it is marked.
TEST_F(HostilePage, OfAnyBytesMakesAReportThatIsWhole) {
  std::mt19937_64 random(1);
  unsigned believed = 0;
  for (int round = 0; round < 60; ++round) {
    start();
    kill_and_await(container_pid());
    EndPage forged = lie();
    std::string bytes = bytes_of(forged);
    // The first rounds leave the head as it must be to be read.
    for (size_t at = round < 40 ? offsetof(EndPage, wait_status) : 0; at < bytes.size(); ++at)
      if (round % 4 != 0 || random() % 4 == 0) bytes[at] = static_cast<char>(random());
    // A status of waitpid(2), so that the rest is looked at.
    const auto status = static_cast<int32_t>(random() % 2 == 0 ? random() % 256 << 8 : 1 + random() % 64);
    if (round < 30) memcpy(bytes.data() + offsetof(EndPage, wait_status), &status, sizeof status);
    bytes.resize(random() % 8 == 0 ? random() % bytes.size() : bytes.size());
    ASSERT_TRUE(replace_file(AT_FDCWD, page(), bytes, 0600).ok());
    json report = deleted_in_time();
    if (report.contains("wait_status")) ++believed;
    EXPECT_EQ(report.contains("wait_status"), report.value("status_from", "") == "init") << report;
    if (HasFailure()) return;
  }
  EXPECT_GT(believed, 10u);
}

TEST_F(HostilePage, IsNoFileOfAnotherKindAndNoLink) {
  const std::string victim = "/run/tests/victim";
  for (int kind = 0; kind < 3; ++kind) {
    start();
    kill_and_await(container_pid());
    ASSERT_EQ(unlink(page().c_str()), 0);
    write_new_file(victim, bytes_of(lie()), 0600);
    const int made = kind == 0   ? symlink(victim.c_str(), page().c_str())
                     : kind == 1 ? mkfifo(page().c_str(), 0600)
                                 : mkdir(page().c_str(), 0700);
    ASSERT_EQ(made, 0);
    json report = deleted_in_time();
    EXPECT_FALSE(report.contains("exit_status")) << report;
    EXPECT_EQ(unlink(victim.c_str()), 0);
  }
}

// A container that writes the page itself has the last word only where the kernel is not heard.
TEST_F(HostilePage, DoesNotOutweighTheKernel) {
  const std::string scribble =
      "line=$(grep rw-s /proc/1/maps); dd if=/lie of=/proc/1/mem bs=1 conv=notrunc seek=$((0x${line%%-*})) && "
      "echo done > /tmp/done; while :; do sleep 1; done";
  bundle_.add_file("/lie", bytes_of(lie()));
  ASSERT_NO_FATAL_FAILURE(make_script(scribble));
  for (bool heard : {true, false}) {
    ASSERT_NO_FATAL_FAILURE(start_script());
    const std::string done = bundle_.rootfs() + "/tmp/done";
    ASSERT_TRUE(eventually([&] { return content(done) == "done"; }));
    ASSERT_EQ(unlink(done.c_str()), 0);
    const std::string written = content(page()).substr(0, sizeof(EndPage));
    EXPECT_EQ(written, bytes_of(lie())) << "it has scribbled";
    const pid_t pid = container_pid();
    EXPECT_EQ(json::parse(call({"state", id()}).out, nullptr, false)["status"], "running") << "the page is no end";
    if (heard) {
      Running waiting(minirun({"wait", "--format", "json", id()}), {});
      ASSERT_TRUE(eventually([&] { return holds_pidfd(waiting.pid()); }));
      EXPECT_EQ(kill(pid, SIGKILL), 0);
      Outcome outcome = waiting.finish();
      json report = checked(outcome.out);
      // Before Linux 6.15 the kernel may not say it.
      EXPECT_TRUE(outcome.code == 137 || outcome.code == 0) << describe(outcome);
      EXPECT_EQ(report["status_from"], outcome.code == 137 ? "kernel" : "init") << report;
      (void)deleted_in_time();
      continue;
    }
    kill_and_await(pid);
    json report = deleted_in_time();
    EXPECT_EQ(report["exit_status"], 0) << report;
    EXPECT_EQ(report["status_from"], "init") << "its own word";
    EXPECT_FALSE(report["times"].contains("ended")) << "before its creation";
  }
}

// The mapping is a page of a host's file, and no way to that file.
TEST_F(HostilePage, CannotBeOpenedOrEnlarged) {
  ASSERT_NO_FATAL_FAILURE(
      make_script("for f in /proc/1/map_files/*; do cat $f > /dev/null && echo read $f >> /tmp/opened; "
                  "echo more >> $f && echo written $f >> /tmp/opened; done; ls /proc/1/map_files > /tmp/seen; echo "
                  "done > /tmp/done; "
                  "while :; do sleep 1; done"));
  ASSERT_NO_FATAL_FAILURE(start_script());
  ASSERT_TRUE(eventually([&] { return content(bundle_.rootfs() + "/tmp/done") == "done"; }));
  EXPECT_EQ(content(bundle_.rootfs() + "/tmp/opened"), "(none)");
  EXPECT_NE(content(bundle_.rootfs() + "/tmp/seen"), "") << "it may look";
  struct stat info {};
  ASSERT_EQ(stat(page().c_str(), &info), 0);
  EXPECT_EQ(info.st_size, static_cast<off_t>(kEndPageBytes));
  (void)deleted_in_time();
}

// With CAP_SYS_PTRACE it can make its init say anything; the report marks what came from there.
TEST_F(HostileReport, MarksWhatComesFromTheContainersSide) {
  bundle_.payload({"exit", "7"});
  EXPECT_EQ(report_of(7)["status_from"], "init");
  EXPECT_EQ(report_of(7, {"--no-init"})["status_from"], "kernel");
}

}  // namespace
}  // namespace minirun::testing
