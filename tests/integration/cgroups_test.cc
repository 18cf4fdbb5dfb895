// SPDX-License-Identifier: Apache-2.0
// Where a container's cgroup is, what is written to it, and that it goes away. runtime-spec config-linux.md,
// "Control groups"; that the limits hold is in limits_test.cc.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "sys/file.h"
#include "tests/support/fixture.h"
#include "tests/support/input.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

const std::string kRoot = "/sys/fs/cgroup";

class Cgroups : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    before_ = take_traces();
  }
  // Starts `payload pause` and returns the one cgroup that is new and has a process.
  std::string start(Bundle& bundle) {
    bundle.payload({"pause"});
    container_ = std::make_unique<Running>(run_command(bundle), StartOptions());
    if (!container_->wait_for("ready")) {
      ADD_FAILURE() << describe(container_->finish());
      return "(none)";
    }
    for (const std::string& folder : new_cgroups(before_)) {
      if (content(folder + "/cgroup.procs") != "") return folder;
    }
    ADD_FAILURE() << "no new cgroup";
    return "(none)";
  }
  void stop() {
    container_->send(SIGTERM);
    container_->finish();
    container_.reset();
  }
  // Starts the bundle with these resources and reads a file of its cgroup meanwhile.
  std::string written(const json& resources, const std::string& file) {
    Bundle bundle;
    bundle.config["linux"]["resources"] = resources;
    std::string text = content(start(bundle) + "/" + file);
    if (container_) stop();
    return text;
  }

  Traces before_;
  std::unique_ptr<Running> container_;
};

TEST_F(Cgroups, PathOfTheConfigIsUsed) {
  Bundle bundle;
  bundle.config["linux"]["cgroupsPath"] = "/deep/down/here";
  EXPECT_EQ(start(bundle), kRoot + "/deep/down/here");
  stop();
}

// For statistics, and for the limits of cgroups that the workload makes; without any limit of its own.
TEST_F(Cgroups, AllControllersOfTheRootAreThereWithoutALimit) {
  if (content(kRoot + "/cgroup.controllers").empty()) GTEST_SKIP() << "no controller in the root cgroup";
  for (const char* path : {"", "/pod/of/two"}) {
    Bundle bundle;
    bundle.config["linux"]["resources"] = json::object();
    if (*path != 0) bundle.config["linux"]["cgroupsPath"] = path;
    std::string folder = start(bundle);
    EXPECT_EQ(content(folder + "/cgroup.controllers"), content(kRoot + "/cgroup.controllers")) << path;
    EXPECT_EQ(content(folder + "/cgroup.subtree_control"), "") << "the workload's to write";
    EXPECT_NE(content(folder + "/memory.current"), "0") << path;
    EXPECT_EQ(content(folder + "/pids.current"), has_controller("pids") ? "2" : "(none)") << path;
    stop();
  }
}

TEST_F(Cgroups, RelativePathIsBelowTheRootToo) {
  Bundle bundle;
  bundle.config["linux"]["cgroupsPath"] = "relative/here";
  std::string folder = start(bundle);
  EXPECT_NE(folder.find("relative/here"), std::string::npos);
  stop();
  EXPECT_EQ(start(bundle), folder) << "the same value must lead to the same place";
  stop();
}

TEST_F(Cgroups, WithoutAPathTheIdNamesIt) {
  Bundle bundle;
  std::string folder = start(bundle);
  EXPECT_NE(folder.find(id()), std::string::npos) << folder;
  stop();
}

TEST_F(Cgroups, EveryIdThatIsValidHasOne) {
  Bundle bundle;
  bundle.payload({"cat"});  // waits without a word
  bundle.write();
  Input pipe;
  for (size_t length : {247, 248, 255}) {
    std::string longest(length, 'i');
    ASSERT_EQ(call({"run", "--detach", "--bundle", bundle.path(), longest}, pipe.options()).code, 0) << length;
    EXPECT_EQ(call({"exec", longest, "/bin/payload", "true"}).code, 0) << length;
    EXPECT_EQ(call({"pause", longest}).code, 0) << length;
    EXPECT_EQ(call({"delete", "--force", longest}).code, 0) << length;
  }
  expect_refused(call({"run", "--bundle", bundle.path(), std::string(256, 'i')}), {"invalid container id"});
}

TEST_F(Cgroups, PathOutOfTheTreeIsRefused) {
  Bundle bundle;
  bundle.config["linux"]["cgroupsPath"] = "/../../etc";
  Outcome outcome = run(bundle);
  expect_refused(outcome, {"/linux/cgroupsPath"});
}

TEST_F(Cgroups, OccupiedOneIsRefusedAndLeftAlone) {
  Bundle bundle;
  ASSERT_EQ(mkdir((kRoot + "/taken").c_str(), 0755), 0);
  bundle.config["linux"]["cgroupsPath"] = "/taken";
  bundle.payload({"pause"});
  Running other(run_command(bundle), {});
  ASSERT_TRUE(other.wait_for("ready")) << other.err();
  Outcome outcome = call({"run", "--bundle", bundle.path(), "second"});
  expect_refused(outcome, {"/taken"});
  EXPECT_NE(content(kRoot + "/taken/cgroup.procs"), "") << "the first container must live on";
  other.send(SIGTERM);
  EXPECT_GE(other.finish().code, 0);
  // It existed before, so it exists afterwards.
  EXPECT_EQ(rmdir((kRoot + "/taken").c_str()), 0);
}

TEST_F(Cgroups, OneOfAStoppedContainerIsNotSharedWithIt) {  // deleting that would kill the processes inside
  Bundle bundle;
  bundle.config["linux"]["cgroupsPath"] = "/kept";
  bundle.payload({"true"});
  ASSERT_EQ(detach(bundle).code, 0);
  EXPECT_TRUE(eventually([&] { return call({"state", id()}).out.find("stopped") != std::string::npos; }));
  expect_refused(call({"run", "--bundle", bundle.path(), "second"}), {"/kept", "belongs to container", id()});
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(Cgroups, ParentThatWasThereStays) {
  Bundle bundle;
  ASSERT_EQ(mkdir((kRoot + "/parent").c_str(), 0755), 0);
  bundle.config["linux"]["cgroupsPath"] = "/parent/child";
  bundle.payload({"true"});
  EXPECT_EQ(run(bundle).code, 0);
  EXPECT_EQ(access((kRoot + "/parent/child").c_str(), F_OK), -1);
  EXPECT_EQ(rmdir((kRoot + "/parent").c_str()), 0);
}

TEST_F(Cgroups, WhatTheContainerMadeBelowGoesToo) {
  Bundle bundle;
  if (!bundle.add_busybox({"sh", "mkdir"})) GTEST_SKIP() << "no busybox";
  bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"rw", "nosuid", "noexec", "nodev"});
  bundle.config["process"]["args"] = {"/bin/sh", "-c", "mkdir -p /sys/fs/cgroup/a/b /sys/fs/cgroup/c"};
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
}

TEST_F(Cgroups, HybridLayoutIsFound) {
  Bundle bundle;
  bundle.payload({"exit", "4"});
  StartOptions options;
  options.in_child = [] {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr) != 0 ||
        umount2("/sys/fs/cgroup", MNT_DETACH) != 0 || mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, nullptr) != 0 ||
        mkdir("/sys/fs/cgroup/unified", 0755) != 0 ||
        mount("cgroup2", "/sys/fs/cgroup/unified", "cgroup2", 0, nullptr) != 0) {
      _exit(97);
    }
  };
  Outcome outcome = run(bundle, {}, options);
  EXPECT_EQ(outcome.code, 4) << describe(outcome);
}

TEST_F(Cgroups, ControllerThatIsNotThereIsAnErrorThatNamesIt) {
  if (has_controller("memory") && has_controller("pids")) GTEST_SKIP() << "no cgroup2 controller is missing";
  Bundle bundle;
  const char* missing = has_controller("memory") ? "pids" : "memory";
  bundle.config["linux"]["resources"][missing]["limit"] = 1 << 26;
  expect_refused(run(bundle), {missing, "controller"});
}

TEST_F(Cgroups, UnknownControllerInUnifiedIsNamed) {
  Bundle bundle;
  bundle.config["linux"]["resources"]["unified"] = {{"nosuch.max", "1"}};
  expect_refused(run(bundle), {"nosuch"});
}

TEST_F(Cgroups, MemoryFiles) {
  REQUIRE_CONTROLLER("memory");
  json memory = {{"memory", {{"limit", 67108864}, {"reservation", 33554432}, {"swap", 100663296}}}};
  EXPECT_EQ(written(memory, "memory.max"), "67108864");
  EXPECT_EQ(written(memory, "memory.low"), "33554432");
  EXPECT_EQ(written(memory, "memory.swap.max"), "33554432");
  EXPECT_EQ(written({{"memory", {{"limit", -1}}}}, "memory.max"), "max");
}

TEST_F(Cgroups, LimitBelowWhatIsInUseIsRefusedWhenTheCheckIsAskedFor) {
  REQUIRE_CONTROLLER("memory");
  Bundle bundle;
  bundle.payload({"true"});
  bundle.config["linux"]["resources"]["memory"] = {{"limit", 67108864}, {"checkBeforeUpdate", true}};
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
}

TEST_F(Cgroups, CpuFiles) {
  REQUIRE_CONTROLLER("cpu");
  EXPECT_EQ(written({{"cpu", {{"quota", 25000}, {"period", 50000}}}}, "cpu.max"), "25000 50000");
  EXPECT_EQ(written({{"cpu", {{"quota", 25000}, {"period", 50000}, {"burst", 10000}}}}, "cpu.max.burst"), "10000");
  EXPECT_EQ(written({{"cpu", {{"quota", -1}}}}, "cpu.max"), "max 100000");
  EXPECT_EQ(written({{"cpu", {{"idle", 1}}}}, "cpu.idle"), "1");
}

TEST_F(Cgroups, CpuSharesMeetTheDefaultsAndTheEnds) {
  REQUIRE_CONTROLLER("cpu");
  // The conversion of 2025: 1024 is the default of both (opencontainers/cgroups, k8s#131216).
  EXPECT_EQ(written({{"cpu", {{"shares", 1024}}}}, "cpu.weight"), "100");
  EXPECT_EQ(written({{"cpu", {{"shares", 2}}}}, "cpu.weight"), "1");
  EXPECT_EQ(written({{"cpu", {{"shares", 262144}}}}, "cpu.weight"), "10000");
}

TEST_F(Cgroups, CpusetFiles) {
  REQUIRE_CONTROLLER("cpuset");
  EXPECT_EQ(written({{"cpu", {{"cpus", "0"}, {"mems", "0"}}}}, "cpuset.cpus"), "0");
  EXPECT_EQ(written({{"cpu", {{"cpus", "0"}, {"mems", "0"}}}}, "cpuset.mems"), "0");
}

TEST_F(Cgroups, CpuThatIsNotThereIsRefused) {
  REQUIRE_CONTROLLER("cpuset");
  Bundle bundle;
  bundle.config["linux"]["resources"]["cpu"] = {{"cpus", "4000"}};
  expect_refused(run(bundle), {"cpus"});
}

TEST_F(Cgroups, PidsFileCountsTheInit) {
  REQUIRE_CONTROLLER("pids");
  EXPECT_EQ(written({{"pids", {{"limit", 20}}}}, "pids.max"), "21");
  EXPECT_EQ(written({{"pids", {{"limit", -1}}}}, "pids.max"), "max");
}

TEST_F(Cgroups, IoWeight) {
  REQUIRE_CONTROLLER("io");
  Bundle bundle;
  bundle.config["linux"]["resources"]["blockIO"] = {{"weight", 1000}};
  std::string folder = start(bundle);
  if (content(folder + "/io.weight") == "(none)" && content(folder + "/io.bfq.weight") == "(none)") {
    if (container_) stop();
    GTEST_SKIP() << "no io.weight in this kernel";
  }
  EXPECT_TRUE(content(folder + "/io.weight") == "default 10000" ||
              content(folder + "/io.bfq.weight") == "default 1000");
  stop();
}

TEST_F(Cgroups, HugetlbFiles) {
  REQUIRE_CONTROLLER("hugetlb");
  EXPECT_EQ(written({{"hugepageLimits", {{{"pageSize", "2MB"}, {"limit", 4194304}}}}}, "hugetlb.2MB.max"), "4194304");
}

TEST_F(Cgroups, UnifiedFilesAreWrittenLast) {
  REQUIRE_CONTROLLER("pids");
  EXPECT_EQ(written({{"pids", {{"limit", 20}}}, {"unified", {{"pids.max", "33"}}}}, "pids.max"), "33");
}

TEST_F(Cgroups, UnifiedFileWithoutAnyController) {
  EXPECT_EQ(written({{"unified", {{"cgroup.max.depth", "3"}}}}, "cgroup.max.depth"), "3");
}

// run.oci.delegate-cgroup: the limits stay above, where the workload is not.
TEST_F(Cgroups, DelegatedOneIsBelowTheOneWithTheLimits) {
  Bundle bundle;
  bundle.config["annotations"]["run.oci.delegate-cgroup"] = "payload/own";
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle, {"--pid-file", kPidFile}).code, 0);
  std::string own = content("/proc/" + std::to_string(container_pid()) + "/cgroup");
  std::string below = "/minirun-" + id() + "/payload/own";
  EXPECT_TRUE(own.ends_with(below)) << own;
  own.erase(0, own.rfind("0::") + 3);
  std::string above = kRoot + own.substr(0, own.size() - std::string("/payload/own").size());
  EXPECT_EQ(content(above + "/cgroup.procs"), "") << "no process is where the limits are";
  // exec too, so that the container's cgroup stays without processes; its namespace begins above.
  Outcome outcome = call({"exec", id(), "/bin/payload", "files", "/proc/self/cgroup"});
  EXPECT_TRUE(outcome.out.ends_with("0::/payload/own\n")) << describe(outcome);
  EXPECT_EQ(call({"pause", id()}).code, 0);
  EXPECT_NE(content(above + "/payload/own/cgroup.events").find("frozen 1"), std::string::npos);
  EXPECT_EQ(call({"resume", id()}).code, 0);
  EXPECT_NE(call({"ps", "--format", "json", id()}).out.find(content(kPidFile)), std::string::npos);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_NE(access(above.c_str(), F_OK), 0);
}

TEST_F(Cgroups, DelegatedOneIsTheUsersOfTheProcess) {
  Bundle bundle;
  bundle.config["annotations"]["run.oci.delegate-cgroup"] = "own";
  bundle.config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
  bundle.add_mount("/sys/fs/cgroup", "cgroup2", "cgroup2", {"rw"});
  bundle.payload({"stat", "/sys/fs/cgroup/own", "/sys/fs/cgroup/own/cgroup.procs"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.out.find("/sys/fs/cgroup/own dir 0755 1000 "), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("/sys/fs/cgroup/own/cgroup.procs file 0644 1000 "), std::string::npos) << outcome.out;
}

TEST_F(Cgroups, DelegatedOneCannotBeElsewhere) {
  for (const char* bad : {"..", "../other", "a/../../b", "/", "a//b", "."}) {
    Bundle bundle;
    bundle.config["annotations"]["run.oci.delegate-cgroup"] = bad;
    bundle.payload({"true"});
    expect_refused(run(bundle), {"/annotations/run.oci.delegate-cgroup"});
  }
}

}  // namespace
}  // namespace minirun::testing
