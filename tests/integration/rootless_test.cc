// SPDX-License-Identifier: Apache-2.0
// minirun as an ordinary user: user_namespaces(7), runtime/launch/rootless.h, runtime/resources/cgroup_path.h.
#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "sys/file.h"
#include "tests/support/descriptors.h"
#include "tests/support/rootless_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

json one_map(unsigned container, unsigned host, unsigned size) {
  return {{"containerID", container}, {"hostID", host}, {"size", size}};
}

class Rootless : public RootlessTest {};

TEST_F(Rootless, SpecRunsAsItIsWithoutACgroup) {
  Bundle bundle;
  make_rootless(bundle, {"report"});
  Outcome outcome = user_run(bundle);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  json seen = json::parse(outcome.out);
  EXPECT_EQ(seen["uids"], json::array({0, 0, 0}));
  EXPECT_EQ(seen["gids"], json::array({0, 0, 0}));
  EXPECT_EQ(seen["hostname"], "minirun");
  for (const char* type : {"user", "pid", "ipc", "uts", "mnt", "cgroup"})
    EXPECT_NE(seen["namespaces"][type], link_target(std::string("/proc/self/ns/") + type)) << type;
  EXPECT_EQ(seen["namespaces"]["net"], link_target("/proc/self/ns/net"));
  EXPECT_EQ(access((kHome + "/minirun").c_str(), F_OK), 0) << "the state root";
}

TEST_F(Rootless, TellsWhenItIsReady) {
  notify_ = kHome + "/notify";
  UniqueFd host = listen_at(notify_, SOCK_DGRAM);
  ASSERT_EQ(chown(notify_.c_str(), kUser, kGroup), 0);
  Bundle bundle;
  make_rootless(bundle, {"notify", "READY=1"});
  Outcome outcome = user_run(bundle);
  EXPECT_EQ(outcome.out, "socket /run/notify/notify.sock\n") << describe(outcome);
  ASSERT_EQ(fcntl(host.get(), F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(receive_message(host.get()).text, "READY=1");
}

TEST_F(Rootless, MapsAndNetworkOfItsOwn) {
  Bundle bundle;
  make_rootless(bundle, {"files", "/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups"});
  bundle.config["linux"]["namespaces"].push_back({{"type", "network"}});
  Outcome outcome = user_run(bundle);
  EXPECT_EQ(outcome.out, "         0       1000          1\n         0       1001          1\ndeny\n")
      << describe(outcome);
  bundle.payload({"report"});
  outcome = user_run(bundle);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  json seen = json::parse(outcome.out);
  EXPECT_NE(seen["namespaces"]["net"], link_target("/proc/self/ns/net"));
  EXPECT_EQ(seen["loopback_up"], true);
}

TEST_F(Rootless, TimeNamespaceOfItsOwn) {
  Bundle bundle;
  make_rootless(bundle, {"clocks"});
  bundle.config["linux"]["namespaces"].push_back({{"type", "time"}});
  bundle.config["linux"]["timeOffsets"] = {{"boottime", {{"secs", 1000000}}}};
  Outcome outcome = user_run(bundle);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  std::istringstream clocks(outcome.out);
  double monotonic = 0, boottime = 0;
  clocks >> monotonic >> boottime;
  EXPECT_GT(boottime, monotonic + 900000) << outcome.out;
}

TEST_F(Rootless, ExitStatusAndFilesAreTheUsers) {
  Bundle bundle;
  make_rootless(bundle, {"write", "/tmp/made", "x"});
  bundle.config["root"]["readonly"] = false;
  Outcome outcome = user_run(bundle);
  EXPECT_EQ(outcome.out, "write 0\n") << describe(outcome);
  struct stat made {};
  ASSERT_EQ(stat((bundle.rootfs() + "/tmp/made").c_str(), &made), 0);
  EXPECT_EQ(made.st_uid, kUser);
  EXPECT_EQ(made.st_gid, kGroup);
  bundle.payload({"exit", "7"});
  EXPECT_EQ(user_run(bundle).code, 7);
}

TEST_F(Rootless, LifeOfOneInSteps) {
  Bundle bundle;
  make_rootless(bundle, {"pause"});
  bundle.write();
  Outcome outcome = user_minirun({"create", "--bundle", bundle.path(), "mine"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(user_minirun({"state", "mine"}).out.find("\"created\""), std::string::npos);
  ASSERT_EQ(user_minirun({"start", "mine"}).code, 0);
  outcome = user_minirun({"exec", "mine", "/bin/payload", "report"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  json seen = json::parse(outcome.out);
  EXPECT_EQ(seen["uids"], json::array({0, 0, 0}));
  EXPECT_EQ(seen["cap_effective"], "0000000020000420");  // those of the config
  outcome = user_minirun({"list"});
  EXPECT_NE(outcome.out.find("running"), std::string::npos) << describe(outcome);
  EXPECT_NE(outcome.out.find("1000"), std::string::npos) << describe(outcome);
  outcome = user_minirun({"ps", "--format", "json", "mine"});
  EXPECT_EQ(json::parse(outcome.out, nullptr, false).size(), 1U) << describe(outcome);  // create has no init
  for (const char* command : {"pause", "events"}) {
    outcome = user_minirun({command, "mine"});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_NE(outcome.err.find("the container has no cgroup"), std::string::npos) << describe(outcome);
  }
  EXPECT_EQ(user_minirun({"kill", "--all", "mine", "KILL"}).code, 0);
  EXPECT_TRUE(eventually([&] { return user_minirun({"state", "mine"}).out.find("stopped") != std::string::npos; }));
  EXPECT_EQ(user_minirun({"delete", "mine"}).code, 0);
  ASSERT_EQ(user_run(bundle, {"--detach"}).code, 0);
  EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).code, 0);
}

// It is in a copy of the host's mounts, in its root by chroot(2), and so is what is executed in it.
TEST_F(Rootless, WithoutAMountNamespaceItIsInItsRoot) {
  Bundle bundle;
  make_rootless(bundle, {"files", "/marker", "/../marker"});
  bundle.add_file("/marker", "of the root\n");
  bundle.drop_namespace("mount");
  bundle.config["mounts"] = json::array();
  bundle.config["root"]["readonly"] = false;
  for (const char* name : {"maskedPaths", "readonlyPaths"}) bundle.config["linux"].erase(name);
  const std::string mounts = content("/proc/self/mountinfo");
  Outcome outcome = user_run(bundle);
  EXPECT_EQ(outcome.out, "of the root\nof the root\n") << describe(outcome);
  bundle.payload({"pause"});
  ASSERT_EQ(user_run(bundle, {"--detach"}).code, 0);
  outcome = user_minirun({"exec", "mine", "/bin/payload", "files", "/marker", "/../marker"});
  EXPECT_EQ(outcome.out, "of the root\nof the root\n") << describe(outcome);
  EXPECT_EQ(content("/proc/self/mountinfo"), mounts);
  EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).code, 0);
}

TEST_F(Rootless, SignalForAllReachesAllWithoutACgroupToo) {
  Bundle bundle;
  make_rootless(bundle, {"pause"});
  ASSERT_EQ(user_run(bundle, {"--detach"}).code, 0);
  ASSERT_EQ(user_minirun({"exec", "--detach", "mine", "/bin/payload", "pause"}).code, 0);
  Outcome outcome = user_minirun({"ps", "--format", "json", "mine"});
  EXPECT_EQ(json::parse(outcome.out, nullptr, false).size(), 3U) << describe(outcome);
  EXPECT_EQ(user_minirun({"kill", "--all", "mine", "TERM"}).code, 0);
  EXPECT_TRUE(eventually([&] { return user_minirun({"state", "mine"}).out.find("stopped") != std::string::npos; }));
  outcome = user_minirun({"ps", "--format", "json", "mine"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out + outcome.err, "[]\n");
  EXPECT_EQ(user_minirun({"delete", "mine"}).code, 0);
}

TEST_F(Rootless, WhatCannotBeIsTold) {
  Bundle bundle;
  make_rootless(bundle, {"true"});
  json rootless = bundle.config;
  bundle.config["linux"]["resources"] = {{"unified", {{"cgroup.max.depth", "3"}}}};
  expect_refused(user_run(bundle), {"/linux/resources", "limits need a cgroup", "/tests", "Delegate=yes"});
  bundle.config = rootless;
  bundle.config["linux"]["cgroupsPath"] = "/not/mine";
  expect_refused(user_run(bundle), {"make cgroup /not", "permission denied"});
  bundle.config = rootless;
  bundle.config["process"]["user"]["additionalGids"] = {5};
  expect_refused(user_run(bundle), {"/process/user/additionalGids", "setgroups(2) is denied"});
  bundle.config = rootless;
  bundle.config["linux"]["uidMappings"][0]["hostID"] = 1002;
  expect_refused(user_run(bundle), {"/linux/uidMappings: must map containerID 0 to hostID 1000"});
  bundle.config = rootless;
  bundle.config["linux"]["gidMappings"][0]["hostID"] = 0;
  expect_refused(user_run(bundle), {"/linux/gidMappings: must map containerID 0 to hostID 1001"});
  bundle.config = rootless;
  bundle.drop_namespace("pid");
  expect_refused(user_run(bundle), {"/linux/namespaces", "must have a new pid namespace"});
  bundle.config = default_config();
  expect_refused(user_run(bundle), {"/linux/namespaces", "must have a user namespace", "spec --rootless"});
}

TEST_F(Rootless, FilterAndTerminal) {
  Bundle bundle;
  make_rootless(bundle, {"syscall", "140", "0", "0"});
  bundle.config["linux"]["seccomp"] = {
      {"defaultAction", "SCMP_ACT_ALLOW"},
      {"syscalls", {{{"names", {"getpriority"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 77}}}}};
  for (bool no_new_privileges : {true, false}) {
    bundle.config["process"]["noNewPrivileges"] = no_new_privileges;
    Outcome outcome = user_run(bundle);
    EXPECT_EQ(outcome.out, "-1 77\n") << describe(outcome);
  }
  bundle.config["linux"].erase("seccomp");
  bundle.config["process"]["terminal"] = true;
  bundle.payload({"stat", "/dev/console"});
  Outcome outcome = user_run(bundle);
  EXPECT_EQ(outcome.out.rfind("/dev/console char 0620 0 ", 0), 0U) << describe(outcome);
}

// As `podman run --pid host` asks for. Only the owner of a pid namespace may mount its procfs.
TEST_F(Rootless, PidNamespaceOfTheHostAndItsProcfs) {
  delegate_cgroup();
  Bundle bundle;
  make_rootless(bundle, {"report"});
  bundle.drop_namespace("pid");
  for (auto& mount : bundle.config["mounts"])
    if (mount["destination"] == "/proc")
      mount = {{"destination", "/proc"}, {"type", "bind"}, {"source", "/proc"}, {"options", {"rbind", "nosuid"}}};
  bundle.config["process"]["oomScoreAdj"] = 600;
  Outcome outcome = user_run(bundle);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(json::parse(outcome.out)["oom_score_adj"], "600\n") << outcome.out;

  // Whatever else is at /proc is not written to.
  for (auto& mount : bundle.config["mounts"])
    if (mount["destination"] == "/proc") mount = {{"destination", "/proc"}, {"type", "tmpfs"}, {"source", "tmpfs"}};
  bundle.config["linux"].erase("maskedPaths");
  bundle.config["linux"].erase("readonlyPaths");
  outcome = user_run(bundle);
  EXPECT_NE(outcome.code, 0) << describe(outcome);
}

TEST_F(Rootless, DelegatedCgroupIsUsedAndItsLimitsHold) {
  delegate_cgroup();
  Bundle bundle;
  make_rootless(bundle, {"pause"});
  bundle.config["linux"]["resources"] = {{"unified", {{"cgroup.max.depth", "3"}}}};
  Outcome outcome = user_run(bundle, {"--detach"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  std::string folder = kSlice + "/minirun-mine";
  EXPECT_EQ(content(folder + "/cgroup.max.depth"), "3");
  EXPECT_NE(content(folder + "/cgroup.procs"), "");
  outcome = user_minirun({"exec", "mine", "/bin/payload", "files", "/proc/self/cgroup"});
  EXPECT_NE(("\n" + outcome.out).find("\n0::/\n"), std::string::npos) << describe(outcome);
  EXPECT_EQ(user_minirun({"pause", "mine"}).code, 0);
  EXPECT_NE(user_minirun({"state", "mine"}).out.find("paused"), std::string::npos);
  EXPECT_EQ(user_minirun({"resume", "mine"}).code, 0);
  EXPECT_EQ(user_minirun({"update", "--resources", "/dev/null", "mine"}).code, 1);
  outcome = user_minirun({"ps", "--format", "json", "mine"});
  EXPECT_EQ(json::parse(outcome.out, nullptr, false).size(), 2U) << describe(outcome);
  EXPECT_EQ(user_minirun({"kill", "mine", "KILL"}).code, 0);
  EXPECT_TRUE(eventually([&] { return user_minirun({"state", "mine"}).out.find("stopped") != std::string::npos; }));
  EXPECT_EQ(user_minirun({"delete", "mine"}).code, 0);
  EXPECT_NE(access(folder.c_str(), F_OK), 0);
}

// What is above the delegated cgroup is root's: no reason to fail.
TEST_F(Rootless, ControllersOfTheDelegatedCgroupArePassedOn) {
  delegate_cgroup();
  Bundle bundle;
  make_rootless(bundle, {"pause"});
  ASSERT_EQ(user_run(bundle, {"--detach"}).code, 0);
  const std::string own = "/minirun-mine/cgroup.controllers";
  EXPECT_EQ(content(kSlice + own), content(kSlice + "/cgroup.controllers"));
  EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).code, 0);
}

TEST_F(Rootless, DelegatedControllersLimitToo) {
  REQUIRE_CONTROLLER("pids");
  delegate_cgroup();
  Bundle bundle;
  make_rootless(bundle, {"forkbomb", "100"});
  bundle.config["linux"]["resources"] = {{"pids", {{"limit", 10}}}};
  ASSERT_TRUE(write_control(AT_FDCWD, "/sys/fs/cgroup/cgroup.subtree_control", "+pids"));
  Outcome outcome = user_run(bundle);
  EXPECT_EQ(outcome.out, "forked 9 errno 11\n") << describe(outcome);
}

// From a cgroup that is not below the delegated one the way in is closed: cgroup.procs above both is root's.
TEST_F(Rootless, ExecFromOutsideOfTheDelegatedCgroupIsRefused) {
  delegate_cgroup();
  Bundle bundle;
  make_rootless(bundle, {"pause"});
  ASSERT_EQ(user_run(bundle, {"--detach"}).code, 0);
  cgroup_.clear();
  Outcome outcome = user_minirun({"exec", "mine", "/bin/payload", "true"});
  EXPECT_EQ(outcome.code, 255);
  EXPECT_NE(outcome.err.find("the closest cgroup above both"), std::string::npos) << describe(outcome);
  EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).code, 0);
}

TEST_F(Rootless, MoreIdsNeedNewuidmap) {
  Bundle bundle;
  make_rootless(bundle, {"files", "/proc/self/uid_map"});
  bundle.config["linux"]["uidMappings"].push_back(one_map(1, 200000, 10));
  bundle.config["linux"]["gidMappings"].push_back(one_map(1, 300000, 10));
  if (access("/usr/bin/newuidmap", X_OK) != 0)
    expect_refused(user_run(bundle), {"newuidmap is not in PATH", "Debian: package uidmap"});
  // One that says what it was asked, and that it may not.
  make_folders(kHome + "/bin");
  write_new_file(kHome + "/bin/newuidmap", "#!/bin/sh\nshift\necho \"asked for $*\" >&2\nexit 1\n", 0755);
  path_ = kHome + "/bin:";
  expect_refused(user_run(bundle), {"/newuidmap: asked for 0 1000 1 1 200000 10"});
}

// The payload under these names does what newuidmap(1) and newgidmap(1) do, by the same right: set-user-ID root.
TEST_F(Rootless, SeveralRangesByNewuidmap) {
  make_folders(kHome + "/bin");
  for (const char* name : {"/bin/newuidmap", "/bin/newgidmap"}) {
    ASSERT_TRUE(copy_program(program("PAYLOAD", "payload"), kHome + name));
    ASSERT_EQ(chmod((kHome + name).c_str(), 04755), 0);
  }
  path_ = kHome + "/bin:";
  Bundle bundle;
  make_rootless(bundle, {"files", "/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups"});
  bundle.config["linux"]["uidMappings"].push_back(one_map(1, 200000, 10));
  bundle.config["linux"]["gidMappings"].push_back(one_map(1, 300000, 10));
  Outcome outcome = user_run(bundle);
  EXPECT_EQ(outcome.out,
            "         0       1000          1\n         1     200000         10\n"
            "         0       1001          1\n         1     300000         10\nallow\n")
      << describe(outcome);
  bundle.config["process"]["user"] = {{"uid", 5}, {"gid", 6}, {"additionalGids", {7}}};
  bundle.payload({"pause"});
  ASSERT_EQ(user_run(bundle, {"--detach", "--pid-file", kHome + "/pid"}).code, 0);
  std::string status = content("/proc/" + content(kHome + "/pid") + "/status");
  EXPECT_NE(status.find("Uid:\t200004\t200004\t200004\t200004\n"), std::string::npos) << status;
  EXPECT_NE(status.find("Gid:\t300005\t300005\t300005\t300005\n"), std::string::npos) << status;
  EXPECT_NE(status.find("Groups:\t300006 \n"), std::string::npos) << status;
  outcome = user_minirun({"exec", "--user", "3:3", "mine", "/bin/payload", "write", "/dev/shm/made", "x"});
  EXPECT_EQ(outcome.out, "write 0\n") << describe(outcome);
  EXPECT_EQ(user_minirun({"kill", "mine", "KILL"}).code, 0);
  EXPECT_TRUE(eventually([&] { return user_minirun({"state", "mine"}).out.find("stopped") != std::string::npos; }));
  EXPECT_EQ(user_minirun({"delete", "mine"}).code, 0);
}

// Its process comes to those of the pod as its last act, as root's does.
TEST_F(Rootless, JoinsUserAndPidNamespaceOfItsPod) {
  delegate_cgroup();
  Bundle pod, other;
  make_rootless(pod, {"pause"});
  ASSERT_EQ(user_run(pod, {"--detach", "--pid-file", kHome + "/pid"}).code, 0);
  const std::string ns = "/proc/" + content(kHome + "/pid") + "/ns/";
  make_rootless(other, {"report"});
  other.config["linux"].erase("uidMappings");
  other.config["linux"].erase("gidMappings");
  for (const char* type : {"user", "pid"}) other.join_namespace(type, ns + type);
  other.write();
  Outcome outcome = user_minirun({"run", "--bundle", other.path(), "other"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  json seen = json::parse(outcome.out);
  for (const char* type : {"user", "pid"}) EXPECT_EQ(seen["namespaces"][type], link_target(ns + type)) << type;
  other.payload({"pause"});
  other.write();
  outcome = user_minirun({"create", "--bundle", other.path(), "other"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(user_minirun({"start", "other"}).code, 0);
  EXPECT_EQ(user_minirun({"exec", "other", "/bin/payload", "true"}).code, 0);
  for (const char* id : {"other", "mine"}) EXPECT_EQ(user_minirun({"delete", "--force", id}).code, 0);
}

}  // namespace
}  // namespace minirun::testing
