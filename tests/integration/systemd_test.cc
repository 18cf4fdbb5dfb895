// SPDX-License-Identifier: Apache-2.0
// The systemd cgroup driver without a systemd: the tests' world has none. What it does with one is tested in a guest
// (tests/engines/systemd_cases).
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "sys/file.h"
#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

class SystemdCgroup : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    ASSERT_EQ(access("/run/systemd/private", F_OK), -1) << "the tests' world is to have no systemd";
  }

  // It is dynamic: guests of static files have none.
  bool has_helper() const {
    std::string program = minirun({})[0];
    return access((program + "-systemd").c_str(), X_OK) == 0;
  }

  Outcome run_with(const std::vector<std::string>& globals, const Bundle& bundle) const {
    bundle.write();
    std::vector<std::string> command = minirun({});
    command.insert(command.end(), globals.begin(), globals.end());
    command.insert(command.end(), {"run", "--bundle", bundle.path(), id()});
    return Running(command, {}).finish();
  }
};

TEST_F(SystemdCgroup, WithoutSystemdSaysWhereItWasLookedFor) {
  if (!has_helper()) GTEST_SKIP() << "no minirun-systemd";
  Bundle bundle;
  expect_refused(run_with({"--systemd-cgroup"}, bundle),
                 {"systemd cgroup: connect to systemd's system manager", "/run/systemd/private"});
  expect_refused(run_with({"--cgroup-manager", "systemd"}, bundle), {"systemd cgroup: connect to systemd's"});
}

// minirun starts itself again from elsewhere, and finds its helper all the same.
TEST_F(SystemdCgroup, HelperIsFoundWhenAPidNamespaceIsJoined) {
  if (!has_helper()) GTEST_SKIP() << "no minirun-systemd";
  Bundle bundle;
  bundle.join_namespace("pid", "/proc/self/ns/pid");
  expect_refused(run_with({"--systemd-cgroup"}, bundle), {"systemd cgroup: connect to systemd's system manager"});
}

TEST_F(SystemdCgroup, NeedsItsHelper) {
  if (!has_helper()) GTEST_SKIP() << "no minirun-systemd";
  auto features = [&](const std::string& program) {
    Outcome outcome = Running({program, "features"}, {}).finish();
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    return nlohmann::json::parse(outcome.out)["linux"]["cgroup"];
  };
  std::string with = minirun({})[0];
  EXPECT_EQ(features(with)["systemd"], true);
  EXPECT_EQ(features(with)["systemdUser"], true);

  make_folders("/run/tests/alone");
  std::string alone = "/run/tests/alone/minirun";
  ASSERT_TRUE(copy_program(with, alone));
  ASSERT_EQ(mount("tests", "/usr/libexec", "tmpfs", 0, nullptr), 0) << "hides an installed one";
  if (access("/usr/local/libexec/minirun/minirun-systemd", F_OK) != 0) {
    EXPECT_EQ(features(alone)["systemd"], false);
    Bundle bundle;
    bundle.write();
    Outcome outcome =
        Running({alone, "--root", kState, "--systemd-cgroup", "run", "--bundle", bundle.path(), id()}, {}).finish();
    expect_refused(outcome, {": systemd cgroup: minirun-systemd is missing: install it beside minirun or in "
                             "/usr/libexec/minirun, or use --cgroup-manager=cgroupfs\n"});
    EXPECT_EQ(outcome.err.find("no such file"), std::string::npos) << "podman takes that for a missing command";
  }
  // The package's, for a copy of the program anywhere.
  make_folders("/usr/libexec/minirun");
  EXPECT_TRUE(
      copy_program(with.substr(0, with.rfind('/')) + "/minirun-systemd", "/usr/libexec/minirun/minirun-systemd"));
  EXPECT_EQ(features(alone)["systemd"], true);
  EXPECT_EQ(umount("/usr/libexec"), 0);
  remove_tree("/run/tests/alone");
}

TEST_F(SystemdCgroup, RefusesAPathAndPropertiesBeforeItAsksAnybody) {
  Bundle bundle;
  bundle.config["linux"]["cgroupsPath"] = "/a/b";
  expect_refused(run_with({"--systemd-cgroup"}, bundle),
                 {"/linux/cgroupsPath: expected cgroupsPath to be of format \"slice:prefix:name\""});
  bundle.config["linux"]["cgroupsPath"] = "system.slice:a:b";
  bundle.config["annotations"]["org.systemd.property.SuccessAction"] = "'poweroff'";
  expect_refused(run_with({"--systemd-cgroup"}, bundle),
                 {"config.json:", ": /annotations/org.systemd.property.SuccessAction: not a property of a scope"});
  bundle.config["annotations"] = {{"run.oci.systemd.subgroup", "../a"}};
  expect_refused(run_with({"--systemd-cgroup"}, bundle), {"run.oci.systemd.subgroup: must be one name of a cgroup"});
}

TEST_F(SystemdCgroup, PlanSaysWhereTheScopeWillBe) {
  Bundle bundle;
  bundle.config["linux"]["cgroupsPath"] = "a-b.slice:c:d";
  bundle.write();
  Outcome outcome = call({"--systemd-cgroup", "plan", bundle.path()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.out.find("cgroup /a.slice/a-b.slice/c-d.scope\n"), std::string::npos) << outcome.out;
  bundle.config["linux"]["cgroupsPath"] = "/x";
  bundle.write();
  expect_refused(call({"--systemd-cgroup", "plan", bundle.path()}), {"expected cgroupsPath to be of format"});
}

TEST_F(SystemdCgroup, IsNotAskedForByAnAnnotationAlone) {
  Bundle bundle;
  bundle.payload({"exit", "7"});
  bundle.config["annotations"]["org.systemd.property.TimeoutStopUSec"] = "uint64 5";
  Outcome outcome = run_with({}, bundle);
  EXPECT_EQ(outcome.code, 7) << describe(outcome);
}

TEST_F(SystemdCgroup, DisabledIsNoCgroupAtAll) {
  Bundle bundle;
  auto own = [&](const std::vector<std::string>& globals) {
    bundle.config["process"]["args"] = {"/bin/cat", "/proc/self/cgroup"};
    Outcome outcome = run_with(globals, bundle);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    return outcome.out;
  };
  if (!bundle.add_busybox({"cat"})) GTEST_SKIP() << "no busybox";
  bundle.drop_namespace("cgroup");
  EXPECT_EQ(own({"--cgroup-manager=disabled"}), content("/proc/self/cgroup") + "\n");
  EXPECT_NE(own({}).find("0::/minirun-"), std::string::npos);

  // A mount of it shows that of minirun, which it is in.
  bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"ro"});
  bundle.config["process"]["args"] = {"/bin/cat", "/sys/fs/cgroup/cgroup.procs"};
  Outcome outcome = run_with({"--cgroup-manager=disabled"}, bundle);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);

  bundle.config["linux"]["resources"]["unified"]["cgroup.max.depth"] = "1";
  expect_refused(run_with({"--cgroup-manager=disabled"}, bundle),
                 {"/linux/resources: limits need a cgroup, and --cgroup-manager is disabled"});
  bundle.config["linux"].erase("resources");
  bundle.drop_namespace("pid");
  expect_refused(run_with({"--cgroup-manager=disabled"}, bundle),
                 {"must have a new pid namespace", "--cgroup-manager is disabled"});
}

// Engines without root call minirun as root of the user's namespace.
TEST_F(SystemdCgroup, StateOfRootOfAUserNamespaceIsTheUsers) {
  const std::string folder = "/run/tests/of-a-user";
  make_folders(folder);
  StartOptions options;
  options.env.emplace_back("XDG_RUNTIME_DIR=" + folder);
  Bundle bundle;  // one that fails when the state root is made
  bundle.config.erase("process");
  bundle.write();
  const std::vector<std::string> run = {minirun({})[0], "run", "--bundle", bundle.path(), id()};
  EXPECT_EQ(Running(run, options).finish().code, 1);
  EXPECT_NE(access((folder + "/minirun").c_str(), F_OK), 0);
  EXPECT_EQ(rmdir("/run/minirun"), 0) << "that of the host's root";
  options.in_child = [] {
    if (unshare(CLONE_NEWUSER) != 0 || !write_control(AT_FDCWD, "/proc/self/uid_map", "0 0 1")) _exit(97);
  };
  Outcome in_namespace = Running(run, options).finish();
  EXPECT_EQ(access((folder + "/minirun").c_str(), F_OK), 0) << describe(in_namespace);
  remove_tree(folder);
}

}  // namespace
}  // namespace minirun::testing
