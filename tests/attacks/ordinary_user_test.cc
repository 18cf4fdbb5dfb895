// SPDX-License-Identifier: Apache-2.0
// Attacks on minirun as an ordinary user, and on containers that join the user namespace of another.
#include <fcntl.h>
#include <unistd.h>

#include "tests/attacks/tracer_fixture.h"
#include "tests/support/rootless_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class RootlessTracer : public RootlessTest {
 protected:
  static constexpr const char* kSaid = "/run/tests/said";

  void start_tracer(Bundle& bundle, bool filtered) {
    make_rootless(bundle, {"trace"});
    bundle.add_capability("CAP_SYS_PTRACE");
    if (filtered) add_filter(bundle);
    bundle.write();
    UniqueFd file(open(kSaid, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    StartOptions options = user_options();
    options.stdout_fd = file.get();
    Outcome outcome = Running({kProgram, "run", "--detach", "--bundle", bundle.path(), "mine"}, options).finish();
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    ASSERT_TRUE(eventually([] { return content(kSaid).find("ready") != std::string::npos; })) << content(kSaid);
  }

  std::string end_and_hear() {
    EXPECT_EQ(user_minirun({"kill", "mine", "TERM"}).code, 0);
    EXPECT_TRUE(eventually([] { return content(kSaid).find("findings") != std::string::npos; })) << content(kSaid);
    std::string said = content(kSaid);
    EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).code, 0);
    EXPECT_EQ(unlink(kSaid), 0);
    return said;
  }
};

TEST_F(RootlessTracer, FindsNothingOfExec) {
  for (bool filtered : {false, true}) {
    Bundle bundle;
    start_tracer(bundle, filtered);
    if (HasFatalFailure()) return;
    for (int i = 0; i < rounds(); ++i) {
      std::vector<std::string> args = {"exec"};
      if (i % 3 != 0) args.emplace_back(i % 3 == 1 ? "--detach" : "--tty");
      args.insert(args.end(), {"mine", "/bin/payload", "true"});
      Outcome outcome = user_minirun(args);
      EXPECT_EQ(outcome.code, 0) << describe(outcome);
    }
    std::string said = end_and_hear();
    EXPECT_NE(said.find("before 0 findings 0"), std::string::npos) << said;
    EXPECT_EQ(said.find("attached 0 "), std::string::npos) << "it attached to nothing: " << said;
  }
}

// CVE-2019-5736, where the program is the user's own to write to: none of minirun's processes is in there, the init is.
TEST_F(RootlessTracer, WritesNoProgramOfTheUser) {
  ASSERT_EQ(chown(kProgram.c_str(), kUser, kGroup), 0);
  const std::string before = content(kProgram);
  Bundle bundle;
  make_rootless(bundle, {"overwrite"});
  bundle.add_capability("CAP_SYS_PTRACE");
  bundle.config["hooks"]["startContainer"] = {{{"path", "/bin/payload"}, {"args", {"payload", "true"}}}};
  UniqueFd file(open(kSaid, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  bundle.write();
  StartOptions options = user_options();
  options.stdout_fd = file.get();
  Outcome started = Running({kProgram, "run", "--detach", "--bundle", bundle.path(), "mine"}, options).finish();
  ASSERT_EQ(started.code, 0) << describe(started);
  for (int i = 0; i < 100; ++i) {
    Outcome outcome = user_minirun({"exec", "mine", "/bin/payload", "true"});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
  }
  EXPECT_EQ(user_minirun({"kill", "mine", "TERM"}).code, 0);
  EXPECT_TRUE(eventually([] { return content(kSaid).find("opened") != std::string::npos; })) << content(kSaid);
  EXPECT_NE(content(kSaid).find("written 0"), std::string::npos) << content(kSaid);
  EXPECT_EQ(content(kSaid).find("opened 0 "), std::string::npos) << "nothing was tried: " << content(kSaid);
  EXPECT_TRUE(content(kProgram) == before) << "the program was changed";
  EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).code, 0);
  EXPECT_EQ(unlink(kSaid), 0);
}

constexpr const char* kDenied = "procfs 1\nsysfs 1\n";  // EPERM, as in no_pivot_test.cc

// /dev of the image is a link into a volume, and nothing is mounted on it.
void lead_dev_into_a_volume(Bundle& bundle, const std::string& volume) {
  json& mounts = bundle.config["mounts"];
  for (size_t i = mounts.size(); i-- > 0;)
    if (mounts[i]["destination"].get<std::string>().starts_with("/dev")) mounts.erase(i);
  (void)rmdir((bundle.rootfs() + "/dev").c_str());
  bundle.add_link("/dev", "/vol");
  bundle.add_mount("/vol", "bind", volume, {"rbind"});
}

// What is at /dev/pts has a file "ptmx" that is no terminal.
void bind_false_terminals(Bundle& bundle, const std::string& folder) {
  for (auto& mount : bundle.config["mounts"])
    if (mount["destination"] == "/dev/pts")
      mount = {{"destination", "/dev/pts"}, {"type", "bind"}, {"source", folder}, {"options", {"bind"}}};
  bundle.config["process"]["terminal"] = true;
}

class OrdinaryUser : public RootlessTest {
 protected:
  void SetUp() override {
    RootlessTest::SetUp();
    make_folders(kFolder);
    ASSERT_EQ(chown(kFolder, kUser, kGroup), 0);
  }
  void TearDown() override {
    remove_tree(kFolder);
    RootlessTest::TearDown();
  }
  static constexpr const char* kFolder = "/run/tests/folder";
};

TEST_F(OrdinaryUser, NothingIsMadeWhereDevLeads) {
  Bundle bundle;
  make_rootless(bundle, {"true"});
  lead_dev_into_a_volume(bundle, kFolder);
  expect_refused(user_run(bundle), {"/dev", "symbolic link", "/vol"});
  EXPECT_EQ(rmdir(kFolder), 0) << "something was made in it";
  make_folders(kFolder);
}

TEST_F(OrdinaryUser, HostsProcAndSysAreHiddenWithoutPivot) {
  Bundle bundle;
  make_rootless(bundle, {"kernel-views"});
  Outcome outcome = user_run(bundle, {"--no-pivot"});
  EXPECT_EQ(outcome.out, kDenied) << describe(outcome);
}

TEST_F(OrdinaryUser, FalseTerminalIsNone) {
  write_new_file(std::string(kFolder) + "/ptmx", "", 0666);
  Bundle bundle;
  make_rootless(bundle, {"print", "it runs"});
  bind_false_terminals(bundle, kFolder);
  expect_refused(user_run(bundle), {"/process/terminal", "/dev/pts"});
}

// As in a pod: the other container's user and network namespace.
class JoinedUser : public Attack {
 protected:
  void SetUp() override {
    Attack::SetUp();
    pod_.add_user_namespace();
    start(pod_);
    make_folders(kFolder);
  }
  void TearDown() override {
    end();
    remove_tree(kFolder);
    Attack::TearDown();
  }
  void join(Bundle& bundle) {
    const std::string ns = "/proc/" + std::to_string(container_pid()) + "/ns/";
    bundle.config["linux"]["namespaces"].push_back({{"type", "user"}, {"path", ns + "user"}});
    bundle.join_namespace("network", ns + "net");
    ASSERT_EQ(system(("chown -hR 100000:100000 " + bundle.rootfs() + " " + kFolder).c_str()), 0);
  }
  Outcome run_other(const Bundle& bundle, const std::vector<std::string>& flags = {}) const {
    bundle.write();
    std::vector<std::string> args = {"run", "--bundle", bundle.path()};
    args.insert(args.end(), flags.begin(), flags.end());
    args.emplace_back("other");
    return call(args);
  }
  static constexpr const char* kFolder = "/run/tests/folder";
  Bundle pod_;
};

TEST_F(JoinedUser, NothingIsMadeWhereDevLeads) {
  Bundle bundle;
  bundle.payload({"true"});
  lead_dev_into_a_volume(bundle, kFolder);
  join(bundle);
  expect_refused(run_other(bundle), {"/dev", "symbolic link", "/vol"});
  EXPECT_EQ(rmdir(kFolder), 0) << "something was made in it";
}

TEST_F(JoinedUser, HostsProcAndSysAreHiddenWithoutPivot) {
  Bundle bundle;
  bundle.config["linux"]["maskedPaths"] = {"/proc/keys", "/sys/firmware"};
  bundle.payload({"kernel-views"});
  join(bundle);
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-pivot"}}) {
    Outcome outcome = run_other(bundle, flags);
    EXPECT_EQ(outcome.out, kDenied) << describe(outcome);
  }
}

TEST_F(JoinedUser, FalseTerminalIsNone) {
  write_new_file(std::string(kFolder) + "/ptmx", "", 0666);
  Bundle bundle;
  bundle.payload({"print", "it runs"});
  bind_false_terminals(bundle, kFolder);
  join(bundle);
  expect_refused(run_other(bundle), {"/process/terminal", "/dev/pts"});
}

}  // namespace
}  // namespace minirun::testing
