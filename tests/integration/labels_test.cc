// SPDX-License-Identifier: Apache-2.0
// process.apparmorProfile, process.selinuxLabel: labels of the workload. runtime-spec config.md, "Linux Process". The
// guests load what these tests need: tests/vm/policies.
#include "sys/file.h"
#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

constexpr const char* kProfile = "minirun-test";
constexpr const char* kLabel = "system_u:system_r:container_t";

bool has_apparmor() {
  return content("/sys/module/apparmor/parameters/enabled") == "Y";
}
bool has_selinux() {
  return content("/proc/filesystems").find("\tselinuxfs\n") != std::string::npos;
}

#define REQUIRE_APPARMOR() \
  if (!has_apparmor()) GTEST_SKIP() << "no AppArmor"
#define REQUIRE_SELINUX() \
  if (!has_selinux()) GTEST_SKIP() << "no SELinux"

class Labels : public MinirunTest {
 protected:
  static void expect_profile_is_named(const Outcome& outcome, int code = 1,
                                      const std::string& by = "/process/apparmorProfile") {
    EXPECT_EQ(outcome.code, code) << describe(outcome);
    EXPECT_NE(outcome.err.find(by + ": \"no-such-profile\": the kernel has no profile of that name"), std::string::npos)
        << describe(outcome);
    EXPECT_NE(outcome.err.find("`/proc/self/attr/apparmor/exec`"), std::string::npos) << describe(outcome);
    EXPECT_EQ(outcome.err.find("no such file"), std::string::npos) << "engines would say that the program is not there";
  }
};

TEST_F(Labels, AppArmorConfinesTheWorkloadAlone) {
  REQUIRE_APPARMOR();
  for (bool init : {true, false}) {
    Bundle bundle;
    bundle.config["process"]["apparmorProfile"] = kProfile;
    bundle.add_file("/denied", "secret\n");
    bundle.add_file("/allowed", "open\n");
    bundle.payload({"files", "/proc/self/attr/apparmor/current", "/denied", "/allowed"});
    Outcome outcome = run(bundle, init ? std::vector<std::string>{} : std::vector<std::string>{"--no-init"});
    EXPECT_EQ(outcome.out, std::string(kProfile) + " (enforce)\nopen\n") << describe(outcome);
    // The same without the profile: that the file was not shown is its work.
    bundle.config["process"].erase("apparmorProfile");
    EXPECT_EQ(run(bundle).out, "unconfined\nsecret\nopen\n");
  }
}

TEST_F(Labels, AppArmorHoldsForAUserUnderAFilterToo) {
  REQUIRE_APPARMOR();
  Bundle bundle;
  bundle.config["process"]["apparmorProfile"] = kProfile;
  bundle.config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
  bundle.config["process"]["capabilities"] = nlohmann::json::object();
  bundle.config["linux"]["seccomp"] = {
      {"defaultAction", "SCMP_ACT_ALLOW"},
      {"syscalls", {{{"names", {"openat2", "fsopen"}}, {"action", "SCMP_ACT_KILL_PROCESS"}}}}};
  bundle.payload({"files", "/proc/self/attr/apparmor/current"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.out, std::string(kProfile) + " (enforce)\n") << describe(outcome);
}

TEST_F(Labels, AppArmorProfileThatIsNotLoadedIsNamed) {
  REQUIRE_APPARMOR();
  Bundle bundle;
  bundle.config["process"]["apparmorProfile"] = "no-such-profile";
  expect_profile_is_named(run(bundle));
}

TEST_F(Labels, AppArmorProfileThatIsNotLoadedIsNamedByStartAndExecToo) {
  REQUIRE_APPARMOR();
  Bundle bundle;
  bundle.config["process"]["apparmorProfile"] = "no-such-profile";
  bundle.write();
  Outcome created = call({"create", "--bundle", bundle.path(), id()});
  ASSERT_EQ(created.code, 0) << describe(created);
  expect_profile_is_named(call({"start", id()}));
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);

  bundle.config["process"].erase("apparmorProfile");
  bundle.payload({"pause"});
  Outcome running = detach(bundle);
  ASSERT_EQ(running.code, 0) << describe(running);
  expect_profile_is_named(call({"exec", "--apparmor", "no-such-profile", id(), "/bin/payload", "true"}), 255,
                          "--apparmor");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Labels, AHostWithoutAppArmorRefusesAProfile) {
  if (has_apparmor()) GTEST_SKIP() << "this host has AppArmor";
  Bundle bundle;
  bundle.config["process"]["apparmorProfile"] = kProfile;
  expect_refused(run(bundle), {"/process/apparmorProfile: \"minirun-test\": AppArmor is not enabled on this host"});
  bundle.config["process"]["apparmorProfile"] = "";
  EXPECT_EQ(run(bundle).code, 0);
}

TEST_F(Labels, SelinuxLabelIsThatOfTheWorkload) {
  REQUIRE_SELINUX();
  Bundle bundle;
  bundle.config["process"]["selinuxLabel"] = kLabel;
  bundle.config["process"]["noNewPrivileges"] = false;  // else the policy has to allow a transition under it
  bundle.payload({"files", "/proc/self/attr/current"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.out, std::string(kLabel) + '\0') << describe(outcome);
}

TEST_F(Labels, SelinuxLabelThatThePolicyDoesNotKnowIsNamed) {
  REQUIRE_SELINUX();
  Bundle bundle;
  bundle.config["process"]["selinuxLabel"] = "system_u:system_r:nobody_t";
  expect_refused(run(bundle), {"/process/selinuxLabel: \"system_u:system_r:nobody_t\": the loaded policy does not know "
                               "that label",
                               "`/proc/self/attr/exec`"});
}

TEST_F(Labels, SelinuxRefusesATransitionThatThePolicyForbids) {
  REQUIRE_SELINUX();
  Bundle bundle;
  bundle.config["process"]["selinuxLabel"] = "system_u:system_r:forbidden_t";
  bundle.config["process"]["noNewPrivileges"] = false;
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 126) << describe(outcome);
  EXPECT_NE(outcome.err.find("permission denied"), std::string::npos) << describe(outcome);
}

TEST_F(Labels, AHostWithoutSelinuxRefusesALabel) {
  if (has_selinux()) GTEST_SKIP() << "this host has SELinux";
  Bundle bundle;
  bundle.config["process"]["selinuxLabel"] = kLabel;
  expect_refused(run(bundle),
                 {"/process/selinuxLabel: \"system_u:system_r:container_t\": SELinux is not enabled on this "
                  "host"});
  bundle.config["process"]["selinuxLabel"] = "";
  EXPECT_EQ(run(bundle).code, 0);
}

// PID 1 keeps minirun's label, so that a rule for the profile's own processes does not cover it (docs/security.md).
TEST_F(Labels, AppArmorLetsNoWorkloadTracePid1) {
  REQUIRE_APPARMOR();
  Bundle bundle;
  bundle.add_capability("CAP_SYS_PTRACE");
  bundle.payload({"trace", "1"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.out.find("attached 1 "), 0U) << "without the profile: " << describe(outcome);
  bundle.config["process"]["apparmorProfile"] = kProfile;
  outcome = run(bundle);
  EXPECT_EQ(outcome.out, "attached 0 empty 0 before 0 findings 0\n") << describe(outcome);
}

// The policy of the guest allows every trace.
TEST_F(Labels, SelinuxLabelIsAllThatPid1Lacks) {
  REQUIRE_SELINUX();
  Bundle bundle;
  bundle.add_capability("CAP_SYS_PTRACE");
  bundle.config["process"]["selinuxLabel"] = kLabel;
  bundle.config["process"]["noNewPrivileges"] = false;
  bundle.payload({"trace", "1"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.out,
            "attached 1 empty 0 before 1 findings 2 [descriptor socket] [label system_u:system_r:kernel_t]\n")
      << describe(outcome);
}

class MemoryPolicy : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    if (content("/sys/devices/system/node/online") == "(none)") GTEST_SKIP() << "no NUMA in this kernel";
  }
};

TEST_F(MemoryPolicy, IsThatOfTheWorkload) {
  for (bool init : {true, false}) {
    Bundle bundle;
    bundle.config["linux"]["memoryPolicy"] = {
        {"mode", "MPOL_BIND"}, {"nodes", "0"}, {"flags", {"MPOL_F_STATIC_NODES"}}};
    auto seen = report(bundle, init ? std::vector<std::string>{} : std::vector<std::string>{"--no-init"});
    constexpr int kBindStatic = 2 | 1 << 15;
    EXPECT_EQ(seen["memory_policy"], kBindStatic);
    EXPECT_EQ(seen["memory_nodes"], 1);
  }
}

TEST_F(MemoryPolicy, WithoutOneItIsTheDefault) {
  Bundle bundle;
  EXPECT_EQ(report(bundle)["memory_policy"], 0);
  bundle.config["linux"]["memoryPolicy"] = {{"mode", "MPOL_LOCAL"}, {"nodes", ""}};
  auto seen = report(bundle);
  EXPECT_EQ(seen["memory_policy"], 4);
  EXPECT_EQ(seen["memory_nodes"], 0);
}

TEST_F(MemoryPolicy, ANodeThatIsNotThereIsRefusedByTheKernel) {
  Bundle bundle;
  bundle.config["linux"]["memoryPolicy"] = {{"mode", "MPOL_BIND"}, {"nodes", "1000"}};
  expect_refused(run(bundle), {"/linux/memoryPolicy: set the memory policy: MPOL_BIND on nodes 1000: set_mempolicy: "
                               "invalid argument"});
}

}  // namespace
}  // namespace minirun::testing
