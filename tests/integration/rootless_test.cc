// minirun as an ordinary user: user_namespaces(7), runtime/launch/rootless.h, runtime/resources/cgroup_path.h.
#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "sys/file.h"
#include "tests/support/descriptors.h"
#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

constexpr unsigned kUser = 1000, kGroup = 1001;
const std::string kHome = "/run/tests/user";  // $XDG_RUNTIME_DIR
const std::string kProgram = "/run/tests/minirun";
const std::string kSlice = "/sys/fs/cgroup/slice";

json one_map(unsigned container, unsigned host, unsigned size) {
  return {{"containerID", container}, {"hostID", host}, {"size", size}};
}

class Rootless : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    ASSERT_TRUE(copy_program(program("MINIRUN", "minirun"), kProgram));  // reachable for that user
    make_folders(kHome);
    ASSERT_EQ(chown(kHome.c_str(), kUser, kGroup), 0);
  }
  void TearDown() override {
    remove_tree(kHome);
    (void)unlink(kProgram.c_str());  // not there when SetUp failed
    if (access(kSlice.c_str(), F_OK) == 0) {
      EXPECT_EQ(rmdir((kSlice + "/own").c_str()), 0);
      EXPECT_EQ(rmdir(kSlice.c_str()), 0);
    }
    MinirunTest::TearDown();
  }

  // Any program as that user, with the runtime directory, in the cgroup.
  StartOptions user_options() const {
    StartOptions options;
    std::string cgroup = cgroup_;
    options.in_child = [cgroup] {
      if (!cgroup.empty() && !write_control(AT_FDCWD, cgroup + "/cgroup.procs", "0")) _exit(96);
      if (setgroups(0, nullptr) != 0 || setgid(kGroup) != 0 || setuid(kUser) != 0) _exit(97);
    };
    options.env.push_back("XDG_RUNTIME_DIR=" + kHome);
    if (!notify_.empty()) options.env.push_back("NOTIFY_SOCKET=" + notify_);
    options.env[0].insert(5, path_);  // "PATH="
    return options;
  }
  Outcome as_user(const std::vector<std::string>& argv) const {
    StartOptions options = user_options();
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    bool detached = std::find(argv.begin(), argv.end(), "--detach") != argv.end() || argv[1] == "create";
    if (detached) options.stdout_fd = nowhere.get();
    return Running(argv, options).finish();
  }
  Outcome user_minirun(std::vector<std::string> args) const {
    args.insert(args.begin(), kProgram);
    return as_user(args);
  }
  Outcome user_run(const Bundle& bundle, const std::vector<std::string>& flags = {}) const {
    bundle.write();
    std::vector<std::string> args = {"run"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.insert(args.end(), {"--bundle", bundle.path(), "mine"});
    return user_minirun(args);
  }

  // What `minirun spec --rootless` writes, with the payload instead of the shell, and a rootfs that is the user's.
  void make_rootless(Bundle& bundle, const std::vector<std::string>& payload) const {
    ASSERT_EQ(system(("chown -hR 1000:1001 " + bundle.path()).c_str()), 0);
    Outcome outcome = user_minirun({"spec", "--rootless", "--bundle", bundle.path()});
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    bundle.config = json::parse(content(bundle.path() + "/config.json"));
    bundle.config["process"]["terminal"] = false;
    bundle.config["process"].erase("rlimits");  // raising one takes a capability
    bundle.payload(payload);
  }

  // A cgroup that is the user's, as cgroup-v2.rst, "Delegation", has it, with one in it that minirun starts from.
  void delegate_cgroup() {
    ASSERT_EQ(mkdir(kSlice.c_str(), 0755) | mkdir((kSlice + "/own").c_str(), 0755), 0);
    for (const char* file : {"", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"})
      ASSERT_EQ(chown((kSlice + file).c_str(), kUser, kGroup), 0);
    cgroup_ = kSlice + "/own";
  }

  std::string cgroup_;
  std::string notify_;
  std::string path_;  // before the others: "/more:"
};

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

// Which the user may write to, but not through what a container can come to see of it.
TEST_F(Rootless, ExecOfOnesOwnProgramIsFromASealedCopy) {
  ASSERT_EQ(chown(kProgram.c_str(), kUser, kGroup), 0);
  Bundle bundle;
  make_rootless(bundle, {"pause"});
  ASSERT_EQ(user_run(bundle, {"--detach"}).code, 0);
  Running exec({kProgram, "exec", "mine", "/bin/payload", "pause"}, user_options());
  ASSERT_TRUE(exec.wait_for("ready")) << exec.err();
  expect_sealed_copy(exec.pid());
  // The same program with the same arguments: it does what was asked for.
  exec.send(SIGTERM);
  EXPECT_EQ(exec.finish().code, 128 + SIGTERM) << exec.err();
  EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).code, 0);
}

}  // namespace
}  // namespace minirun::testing
