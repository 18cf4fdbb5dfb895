// SPDX-License-Identifier: Apache-2.0
// `minirun update`: limits of a container in use.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <ctime>

#include "sys/file.h"
#include "tests/support/fixture.h"
#include "tests/support/input.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

class Update : public MinirunTest {
 protected:
  std::string cgroup_file(const std::string& name) { return content("/sys/fs/cgroup/minirun-" + id() + "/" + name); }
  void start(Bundle& bundle, const std::vector<std::string>& args, const std::vector<std::string>& flags = {}) {
    bundle.payload(args);
    Outcome outcome = detach(bundle, flags);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
  }
  Outcome update(std::vector<std::string> args) {
    args.insert(args.begin(), "update");
    args.push_back(id());
    return call(args);
  }
  void expect_updated(const std::vector<std::string>& args) {
    Outcome outcome = update(args);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.out + outcome.err, "");
  }
  // With --resources=- and this on stdin.
  Outcome update_from_stdin(const std::string& text, std::vector<std::string> args = {}) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
    UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    if (write(write_end.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) abort();
    write_end.reset();
    StartOptions options;
    options.stdin_fd = read_end.get();
    args.insert(args.begin(), {"update", "--resources=-"});
    args.push_back(id());
    return call(args, options);
  }
  void force_delete() {
    Outcome outcome = call({"delete", "--force", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
  }
};

TEST_F(Update, UnifiedFilesAreAllWrittenOrNone) {
  Bundle bundle;
  bundle.config["linux"]["resources"]["unified"] = {{"cgroup.max.descendants", "9"}};
  start(bundle, {"pause"});
  Outcome outcome = update_from_stdin(R"({"unified":{"cgroup.max.depth":"7"}})");
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(cgroup_file("cgroup.max.depth"), "7");
  EXPECT_EQ(cgroup_file("cgroup.max.descendants"), "9") << "absent is unchanged";
  outcome = update_from_stdin(R"({"unified":{"cgroup.max.depth":"3","cgroup.max.descendants":"many"}})");
  expect_refused(outcome,
                 {"update " + id() + ": stdin: /unified/cgroup.max.descendants", "\"many\"", "invalid argument"});
  EXPECT_EQ(cgroup_file("cgroup.max.depth"), "7") << "put back";
  force_delete();
}

TEST_F(Update, NothingIsAWarningAndNoError) {
  Bundle bundle;
  start(bundle, {"pause"});
  std::vector<Outcome> all = {
      update({}), update_from_stdin("{}"),
      update_from_stdin(R"({"memory":{},"cpu":{},"devices":[],"blockIO":{"weight":0}})"),
      update({"--memory", "", "--kernel-memory", "0", "--cpu-rt-runtime", "-1", "--cpu-rt-period", "0"})};
  for (const Outcome& outcome : all) {
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.out + outcome.err, "minirun: warning: update " + id() + ": no change was requested\n");
  }
  force_delete();
}

TEST_F(Update, WhatIsIgnoredIsAWarning) {
  Bundle bundle;
  start(bundle, {"pause"});
  Outcome outcome = update_from_stdin(
      R"({"memory":{"limt":1048576,"swappiness":0},"unified":{"cgroup.max.depth":"7"},"pids_limit":7})");
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(cgroup_file("cgroup.max.depth"), "7");
  for (const char* text : {"warning: stdin: /memory/limt: unknown property, ignored\n",
                           "warning: stdin: /pids_limit: unknown property, ignored\n",
                           "warning: stdin: /memory/swappiness: is for cgroup v1 only: ignored\n"})
    EXPECT_NE(outcome.err.find(text), std::string::npos) << text << describe(outcome);
  force_delete();
}

TEST_F(Update, ResourcesThatAreWrongHaveTheirPlaceInTheMessage) {
  Bundle bundle;
  start(bundle, {"pause"});
  std::string file = bundle.path() + "/resources.json";
  expect_refused(update({"-r", file}), {"update " + id() + ": open " + file + ": no such file or directory"});
  expect_refused(update({"--resources", bundle.path()}), {"is a directory"});
  write_new_file(file, R"({"memory":{"limit":"64m"},"pids":{}})", 0644);
  expect_refused(update({"-r", file}),
                 {file + ": /memory/limit: must be an integer", file + ": /pids/limit: is required"});
  for (const char* garbage : {"", "nonsense", "{\"memory\":", "[]", "7"})
    expect_refused(update_from_stdin(garbage), {"stdin:"});
  expect_refused(update({"--memory", "lots"}), {"--memory: \"lots\" is not a size"});
  expect_refused(update({"--kernel-memory", "64m"}), {"--kernel-memory: is for cgroup v1 only"});
  expect_refused(update({"--cpu-rt-runtime", "5"}), {"--cpu-rt-runtime: is for cgroup v1 only"});
  expect_refused(update({"--cpu-period", "5"}), {"--cpu-period: must be from 1000 to 1000000 microseconds: found 5"});
  expect_refused(update({"--l3-cache-schema", "L3:0=f"}), {"--l3-cache-schema", "container has no intelRdt"});
  expect_refused(update({"--mem-bw-schema", "MB:0=7"}), {"--mem-bw-schema", "container has no intelRdt"});
  force_delete();
}

TEST_F(Update, ControllerThatIsNotThereIsNamed) {
  if (has_controller("pids")) GTEST_SKIP() << "no cgroup2 controller is missing";
  Bundle bundle;
  start(bundle, {"pause"});
  expect_refused(update({"--pids-limit", "7"}), {"--pids-limit needs the pids controller"});
  force_delete();
}

TEST_F(Update, DeviceRulesAreExchanged) {
  Bundle bundle;
  bundle.config["linux"]["devices"] = {
      // kmsg, by another name
      {{"path", "/dev/log"}, {"type", "c"}, {"major", 1}, {"minor", 11}, {"fileMode", 0666}}};
  if (!bundle.add_busybox({"sh", "sleep"})) GTEST_SKIP() << "no busybox";
  bundle.config["process"]["args"] = {"/bin/sh", "-c",
                                      "while :; do if true >>/dev/log; then r=yes; else r=no; fi 2>/dev/null; if true "
                                      "</dev/null; then n=yes; else n=no; fi; "
                                      "echo \"log=$r null=$n\"; sleep 0.1; done"};
  Running container(run_command(bundle), {});
  ASSERT_TRUE(container.wait_for("log=yes null=yes")) << container.err() << container.out();
  Outcome outcome = update_from_stdin(R"({"devices":[{"allow":false,"access":"rwm"}]})");
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_TRUE(container.wait_for("log=no null=yes")) << container.out();
  outcome = update_from_stdin(R"({"devices":[{"allow":true,"type":"c","major":1,"minor":11,"access":"w"}]})");
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_TRUE(container.wait_for("log=no null=yes\nlog=yes null=yes")) << container.out();
  force_delete();
  container.finish();
}

TEST_F(Update, FilesSayWhatWasAskedFor) {
  for (const char* controller : {"memory", "cpu", "cpuset", "pids"}) REQUIRE_CONTROLLER(controller);
  Bundle bundle;  // without limits: the controllers are enabled by the update
  start(bundle, {"pause"});
  expect_updated({"--memory", "64m", "--memory-reservation", "16m", "--cpu-quota", "20000", "--cpu-share", "1024",
                  "--cpuset-cpus", "0", "--pids-limit", "7"});
  EXPECT_EQ(cgroup_file("memory.max"), "67108864");
  EXPECT_EQ(cgroup_file("memory.low"), "16777216");
  EXPECT_EQ(cgroup_file("cpu.max"), "20000 100000");
  EXPECT_EQ(cgroup_file("cpu.weight"), "100");
  EXPECT_EQ(cgroup_file("cpuset.cpus"), "0");
  EXPECT_EQ(cgroup_file("pids.max"), "8") << "the init is not paid for by the workload";
  expect_updated({"--cpu-period", "50000"});
  EXPECT_EQ(cgroup_file("cpu.max"), "20000 50000");
  expect_updated({"--cpu-quota", "10000"});
  EXPECT_EQ(cgroup_file("cpu.max"), "10000 50000");
  expect_refused(update({"--memory-swap", "32m"}), {"--memory-swap: is memory and swap together", "67108864"});
  EXPECT_EQ(update_from_stdin(R"({"pids":{"limit":9},"cpu":{"quota":-1}})", {"--pids-limit", "-1"}).code, 0);
  EXPECT_EQ(cgroup_file("pids.max"), "max") << "options go first";
  EXPECT_EQ(cgroup_file("cpu.max"), "max 50000");
  // Everything before the write that fails is put back.
  expect_refused(update({"--memory", "32m", "--pids-limit", "3", "--cpuset-cpus", "4000"}), {"--cpuset-cpus: "});
  EXPECT_EQ(cgroup_file("memory.max"), "67108864");
  EXPECT_EQ(cgroup_file("cpuset.cpus"), "0");
  EXPECT_EQ(cgroup_file("pids.max"), "max");
  expect_updated({"--memory", "-1"});
  EXPECT_EQ(cgroup_file("memory.max"), "max");
  force_delete();
}

TEST_F(Update, WithoutTheInitPidsAreTheWorkloadsAlone) {
  REQUIRE_CONTROLLER("pids");
  Bundle bundle;
  start(bundle, {"pause"}, {"--no-init"});
  expect_updated({"--pids-limit", "7"});
  EXPECT_EQ(cgroup_file("pids.max"), "7");
  force_delete();
}

TEST_F(Update, PausedContainersAreUpdatedToo) {
  REQUIRE_CONTROLLER("pids");
  Bundle bundle;
  start(bundle, {"pause"});
  ASSERT_EQ(call({"pause", id()}).code, 0);
  expect_updated({"--pids-limit", "7"});
  EXPECT_EQ(cgroup_file("pids.max"), "8");
  force_delete();
}

TEST_F(Update, LoweredMemoryKillsTheHogUnlessTheCheckIsAskedFor) {
  REQUIRE_CONTROLLER("memory");
  Bundle bundle;
  bundle.payload({"hog", "67108864"});
  bundle.config["linux"]["resources"]["memory"] = {{"limit", 134217728}, {"swap", 134217728}};
  Running container(run_command(bundle), {});
  ASSERT_TRUE(container.wait_for("touched")) << container.err();
  Outcome refused = update_from_stdin(R"({"memory":{"limit":16777216,"swap":16777216,"checkBeforeUpdate":true}})");
  expect_refused(refused, {"/memory/limit: 16777216 is less than the", "in use"});
  EXPECT_EQ(cgroup_file("memory.max"), "134217728");
  EXPECT_EQ(cgroup_file("memory.swap.max"), "0");
  Outcome updated = call({"update", "--memory", "16m", "--memory-swap", "16m", id()});
  EXPECT_EQ(updated.code, 0) << describe(updated);
  EXPECT_NE(updated.err.find("warning: --memory: 16 MiB is less than the "), std::string::npos) << updated.err;
  Outcome outcome = container.finish();
  EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
  EXPECT_NE(outcome.err.find("16 MiB"), std::string::npos) << outcome.err;
}

TEST_F(Update, ChangedQuotaIsKept) {
  REQUIRE_CONTROLLER("cpu");
  Bundle bundle;
  start(bundle, {"burn", "60"});
  auto used_us = [&] { return atof(cgroup_file("cpu.stat").substr(strlen("usage_usec ")).c_str()); };
  auto now_us = [] {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
  };
  for (int percent : {20, 50}) {
    expect_updated({"--cpu-quota", std::to_string(percent * 1000), "--cpu-period", "100000"});
    usleep(300000);
    double used = used_us();
    double wall = now_us();
    usleep(3000000);
    used = used_us() - used;
    wall = now_us() - wall;
    EXPECT_NEAR(100 * used / wall, percent, percent * 0.15);
  }
  force_delete();
}

TEST_F(Update, PidsLimitStopsAForkBomb) {
  REQUIRE_CONTROLLER("pids");
  Bundle bundle;
  if (!bundle.add_busybox({"sh"})) GTEST_SKIP() << "no busybox";
  bundle.config["process"]["args"] = {"/bin/sh", "-c", "echo ready; read line; exec /bin/payload forkbomb 1000"};
  Input input;
  Running container(run_command(bundle), input.options());
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  expect_updated({"--pids-limit", "20"});
  input.line();
  Outcome outcome = container.finish();
  EXPECT_EQ(outcome.out, "ready\nforked 19 errno 11\n") << describe(outcome);
}

}  // namespace
}  // namespace minirun::testing
