// SPDX-License-Identifier: Apache-2.0
// linux.namespaces and what belongs to them. runtime-spec config-linux.md, "Namespaces".
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Namespaces : public MinirunTest {};

// The kernel's name in /proc/PID/ns for a type of the spec.
std::string kernel_name(const std::string& type) {
  if (type == "network") return "net";
  if (type == "mount") return "mnt";
  return type;
}

std::string own(const std::string& type) {
  return link_target("/proc/self/ns/" + kernel_name(type));
}

// A sleeping process in new namespaces of its own.
class Neighbour {
 public:
  explicit Neighbour(int flags) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      if (unshare(flags) != 0 || write(ends[1], "x", 1) != 1) _exit(1);
      for (;;) pause();
    }
    close(ends[1]);
    char byte = 0;
    EXPECT_EQ(read(ends[0], &byte, 1), 1);
    close(ends[0]);
  }
  ~Neighbour() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::string path(const std::string& type) const {
    return "/proc/" + std::to_string(pid_) + "/ns/" + kernel_name(type);
  }

 private:
  pid_t pid_;
};

TEST_F(Namespaces, EachListedOneIsNew) {
  Bundle bundle;
  json seen = report(bundle)["namespaces"];
  for (const char* type : {"pid", "network", "ipc", "uts", "mount", "cgroup"}) {
    EXPECT_NE(seen[kernel_name(type)], own(type)) << type;
    EXPECT_NE(seen[kernel_name(type)], "") << type;
  }
  EXPECT_EQ(seen["user"], own("user"));
  EXPECT_EQ(seen["time"], own("time"));
}

TEST_F(Namespaces, UnlistedOnesAreInherited) {
  for (const char* type : {"network", "ipc", "cgroup"}) {
    Bundle bundle;
    bundle.drop_namespace(type);
    json seen = report(bundle)["namespaces"];
    EXPECT_EQ(seen[kernel_name(type)], own(type)) << type;
  }
}

TEST_F(Namespaces, UtsIsInheritedWhenNoHostnameIsSet) {
  Bundle bundle;
  bundle.drop_namespace("uts");
  bundle.config.erase("hostname");
  EXPECT_EQ(report(bundle)["namespaces"]["uts"], own("uts"));
}

TEST_F(Namespaces, HostnameWithoutUtsNamespaceIsRefused) {
  Bundle bundle;
  bundle.drop_namespace("uts");
  expect_refused(run(bundle), {"/hostname", "uts"});
}

TEST_F(Namespaces, WithoutPidNamespaceTheStatusAndTheChildrenAreMinirunsCareStill) {
  Bundle bundle;
  bundle.drop_namespace("pid");
  bundle.payload({"leave-child"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
}

TEST_F(Namespaces, NetworkHasOnlyALoopbackWhichIsUp) {
  Bundle bundle;
  json seen = report(bundle);
  EXPECT_TRUE(seen["loopback_up"]);
  for (const std::string name : seen["interfaces"]) {
    // The kernel puts its own tunnel devices into every namespace where these are built in.
    EXPECT_TRUE(name == "lo" || name.find("tunl") != std::string::npos || name.find("tnl") != std::string::npos ||
                name.find("sit") == 0 || name.find("gre") != std::string::npos || name.find("erspan") == 0 ||
                name.find("vti") != std::string::npos)
        << name;
  }
}

TEST_F(Namespaces, JoinsByPath) {
  Neighbour neighbour(CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP);
  for (const char* type : {"network", "ipc", "uts", "cgroup"}) {
    Bundle bundle;
    if (std::string(type) == "uts") bundle.config.erase("hostname");
    bundle.join_namespace(type, neighbour.path(type));
    EXPECT_EQ(report(bundle)["namespaces"][kernel_name(type)], link_target(neighbour.path(type))) << type;
  }
}

TEST_F(Namespaces, JoinsThePidNamespaceOfAnotherContainer) {
  Bundle first;
  first.payload({"pause"});
  Running other(run_command(first, {"--pid-file", kPidFile}), {});
  ASSERT_TRUE(other.wait_for("ready")) << other.err();
  std::string pid = std::to_string(container_pid());
  Bundle second;
  second.join_namespace("pid", "/proc/" + pid + "/ns/pid");
  second.payload({"report"});
  second.write();
  Outcome outcome = call({"run", "--bundle", second.path(), "second"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  json seen = json::parse(outcome.out);
  EXPECT_EQ(seen["namespaces"]["pid"], link_target("/proc/" + pid + "/ns/pid"));
  EXPECT_GT(seen["pid"], 1);
  other.send(SIGKILL);
  other.finish();
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Namespaces, PathOfTheWrongTypeIsRefusedNamingBoth) {
  Neighbour neighbour(CLONE_NEWNET);
  Bundle bundle;
  bundle.join_namespace("ipc", neighbour.path("network"));
  expect_refused(run(bundle), {"/linux/namespaces/5", neighbour.path("network"), "ipc"});
}

TEST_F(Namespaces, PathThatIsNoNamespaceIsRefused) {
  Bundle bundle;
  bundle.join_namespace("network", "/etc/passwd");
  expect_refused(run(bundle), {"/linux/namespaces/5", "/etc/passwd"});
  bundle.join_namespace("network", "/proc/1/ns/nothing");
  expect_refused(run(bundle), {"/linux/namespaces/5", "/proc/1/ns/nothing", "no such file or directory"});
}

TEST_F(Namespaces, SysctlsOfPrivateNamespacesAreSet) {
  Bundle bundle;
  bundle.config["linux"]["sysctl"] = {
      {"net.ipv4.ip_forward", "1"}, {"kernel.msgmax", "12345"}, {"net/ipv4/ip_default_ttl", "77"}};
  bundle.payload(
      {"files", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/msgmax", "/proc/sys/net/ipv4/ip_default_ttl"});
  std::string before = content("/proc/sys/kernel/msgmax");
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.out, "1\n12345\n77\n") << describe(outcome);
  EXPECT_EQ(content("/proc/sys/kernel/msgmax"), before);
}

TEST_F(Namespaces, NamesOfTheHostAreNotChangedThroughAJoinedNamespace) {
  StartOptions apart;  // whose names do not matter, should this fail
  apart.in_child = [] {
    if (unshare(CLONE_NEWUTS) < 0) _exit(97);
  };
  Bundle bundle;
  bundle.payload({"true"});
  bundle.config.erase("hostname");
  bundle.join_namespace("uts", "/proc/self/ns/uts");
  EXPECT_EQ(run(bundle, {}, apart).code, 0) << "without a name nothing of it changes";
  for (const char* name : {"hostname", "domainname"}) {
    bundle.config[name] = "evil";
    expect_refused(run(bundle, {}, apart),
                   {"config.json:", std::string(": /") + name, "/proc/self/ns/uts is the host's own uts namespace"});
    bundle.config.erase(name);
  }
  Neighbour neighbour(CLONE_NEWUTS);
  bundle.join_namespace("uts", neighbour.path("uts"));
  bundle.config["hostname"] = "of-a-pod";
  EXPECT_EQ(run(bundle).code, 0) << "another container's is its engine's to name";
}

TEST_F(Namespaces, SysctlsOfTheHostAreRefused) {
  Bundle bundle;
  bundle.config["linux"]["sysctl"] = {{"kernel.panic", "1"}};
  expect_refused(run(bundle), {"/linux/sysctl/kernel.panic"});
  bundle.config["linux"]["sysctl"] = {{"net.ipv4.ip_forward", "1"}};
  bundle.drop_namespace("network");
  expect_refused(run(bundle), {"/linux/sysctl/net.ipv4.ip_forward", "network"});
  bundle.join_namespace("network", "/proc/self/ns/net");
  expect_refused(run(bundle), {"net"});
}

TEST_F(Namespaces, CgroupNamespaceShowsTheContainersCgroupAsRoot) {
  Bundle bundle;
  std::string lines = report(bundle)["cgroup"];  // those of cgroup v1 trees come first
  EXPECT_NE(("\n" + lines).find("\n0::/\n"), std::string::npos) << lines;
}

}  // namespace
}  // namespace minirun::testing
