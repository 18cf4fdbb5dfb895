// SPDX-License-Identifier: Apache-2.0
// Containers with a user namespace of their own, made by root. runtime-spec config-linux.md, "User namespace mappings";
// user_namespaces(7).
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

constexpr unsigned kBase = 100000;

json one_map(unsigned container, unsigned host, unsigned size) {
  return {{"containerID", container}, {"hostID", host}, {"size", size}};
}

// With blanks squeezed, so that it is like the configuration.
std::string squeezed(const std::string& text) {
  std::istringstream words(text);
  std::string out;
  int count = 0;
  for (std::string word; words >> word;) out += word + (++count % 3 == 0 ? "\n" : " ");
  return out;
}

// Everything in a rootfs is its root's, as engines prepare it.
void give_rootfs(const Bundle& bundle, unsigned id) {
  ASSERT_EQ(system(("chown -hR " + std::to_string(id) + ":" + std::to_string(id) + " " + bundle.rootfs()).c_str()), 0);
}

void add_user_namespace(Bundle& bundle) {
  bundle.config["linux"]["namespaces"].push_back({{"type", "user"}});
  bundle.config["linux"]["uidMappings"] = {one_map(0, kBase, 1000), one_map(1000, 200000, 10)};
  bundle.config["linux"]["gidMappings"] = {one_map(0, kBase, 1000), one_map(1000, 300000, 10)};
  give_rootfs(bundle, kBase);
}

std::string status_field(pid_t pid, const std::string& name) {
  std::istringstream lines(content("/proc/" + std::to_string(pid) + "/status"));
  for (std::string line; std::getline(lines, line);)
    if (line.rfind(name + ":", 0) == 0) return line.substr(name.size() + 2);
  return "(none)";
}

class UserNamespace : public MinirunTest {
 protected:
  Outcome output(Bundle& bundle, const std::vector<std::string>& args) {
    bundle.payload(args);
    return run(bundle);
  }
};

TEST_F(UserNamespace, MapsAreThoseOfTheConfig) {
  Bundle bundle;
  add_user_namespace(bundle);
  Outcome outcome = output(bundle, {"files", "/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  std::string maps = outcome.out.substr(0, outcome.out.rfind("allow"));
  EXPECT_EQ(squeezed(maps), "0 100000 1000\n1000 200000 10\n0 100000 1000\n1000 300000 10\n");
  EXPECT_NE(outcome.out.find("allow"), std::string::npos);
}

TEST_F(UserNamespace, RootIsAnotherUserOnTheHostAndOwnsItsFiles) {
  Bundle bundle;
  add_user_namespace(bundle);
  Outcome outcome = output(bundle, {"write", "/tmp/made", "x"});
  EXPECT_EQ(outcome.out, "write 0\n") << describe(outcome);
  struct stat made {};
  ASSERT_EQ(stat((bundle.rootfs() + "/tmp/made").c_str(), &made), 0);
  EXPECT_EQ(made.st_uid, kBase);
  EXPECT_EQ(made.st_gid, kBase);
  bundle.config["process"]["user"] = {{"uid", 1003}, {"gid", 1004}, {"additionalGids", {7, 1001}}};
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle, {"--pid-file", kPidFile}).code, 0);
  pid_t pid = container_pid();
  EXPECT_EQ(status_field(pid, "Uid"), "200003\t200003\t200003\t200003");
  EXPECT_EQ(status_field(pid, "Gid"), "300004\t300004\t300004\t300004");
  EXPECT_EQ(status_field(pid, "Groups"), "100007 300001 ");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(UserNamespace, HasAllElseThatAContainerHas) {
  Bundle bundle;
  add_user_namespace(bundle);
  json& process = bundle.config["process"];
  process["oomScoreAdj"] = 500;
  process["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 100}, {"hard", 200}}};
  bundle.config["linux"]["sysctl"] = {{"net.ipv4.ip_forward", "1"}, {"kernel.msgmax", "12345"}};
  json seen = report(bundle);
  EXPECT_EQ(seen["uids"], json::array({0, 0, 0}));
  EXPECT_EQ(seen["gids"], json::array({0, 0, 0}));
  EXPECT_EQ(seen["groups"], json::array());
  EXPECT_EQ(seen["hostname"], "tested");
  EXPECT_EQ(seen["oom_score_adj"], "500\n");
  EXPECT_EQ(seen["rlimits"]["RLIMIT_NOFILE"], json::array({100, 200}));
  EXPECT_EQ(seen["loopback_up"], true);
  EXPECT_EQ(seen["interfaces"], json::array({"lo"}));
  EXPECT_EQ(seen["no_new_privs"], 1);
  EXPECT_EQ(seen["cap_effective"], "0000000008000421");  // chown, kill, net_bind_service, mknod
  EXPECT_EQ(seen["cap_bounding"], "0000000008000421");
  for (const char* type : {"user", "pid", "net", "ipc", "uts", "mnt", "cgroup"})
    EXPECT_NE(seen["namespaces"][type], link_target(std::string("/proc/self/ns/") + type)) << type;
  Outcome outcome = output(bundle, {"files", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/msgmax"});
  EXPECT_EQ(outcome.out, "1\n12345\n") << describe(outcome);
}

TEST_F(UserNamespace, CapabilitiesAreWorthNothingOnTheHost) {
  Bundle bundle;
  add_user_namespace(bundle);
  for (const char* set : {"bounding", "effective", "permitted"})
    bundle.config["process"]["capabilities"][set] = {"CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN"};
  write_new_file(bundle.path() + "/secret", "host's", 0600);
  bundle.add_file("/tmp/secret", "");
  bundle.add_mount("/tmp/secret", "bind", bundle.path() + "/secret", {"bind"});
  Outcome outcome = output(bundle, {"opens", "r:/tmp/secret", "w:/tmp/secret"});
  EXPECT_EQ(outcome.out, "/tmp/secret 13\n/tmp/secret 13\n") << describe(outcome);
  outcome = output(bundle, {"mknod", "/tmp/disk", "b", "8", "0"});
  EXPECT_EQ(outcome.out, "mknod 1\n") << describe(outcome);
}

TEST_F(UserNamespace, DevicesAreTheHosts) {
  Bundle bundle;
  add_user_namespace(bundle);
  bundle.config["linux"]["devices"] = {{{"path", "/dev/pipe"}, {"type", "p"}, {"fileMode", 0640}},
                                       {{"path", "/dev/null"}, {"type", "c"}, {"major", 1}, {"minor", 3}}};
  Outcome outcome = output(
      bundle, {"stat", "/dev/null", "/dev/zero", "/dev/urandom", "/dev/tty", "/dev/pipe", "/dev/ptmx", "/dev/fd"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  for (const char* text : {"/dev/null char 0666 65534 65534 1:3", "/dev/zero char 0666 65534 65534 1:5",
                           "/dev/urandom char 0666 65534 65534 1:9", "/dev/tty char 0666 65534 ",
                           "/dev/pipe fifo 0640 0 0", "/dev/ptmx link", "/dev/fd link"})
    EXPECT_NE(outcome.out.find(text), std::string::npos) << text << " is not in:\n" << outcome.out;
  outcome = output(bundle, {"opens", "w:/dev/null", "r:/dev/zero", "r:/dev/urandom", "r:/dev/ptmx"});
  EXPECT_EQ(outcome.out, "/dev/null 0\n/dev/zero 0\n/dev/urandom 0\n/dev/ptmx 0\n") << describe(outcome);
}

TEST_F(UserNamespace, DeviceThatTheHostDoesNotHaveIsNamed) {
  Bundle bundle;
  add_user_namespace(bundle);
  bundle.config["linux"]["devices"] = {{{"path", "/dev/no-such"}, {"type", "c"}, {"major", 1}, {"minor", 3}}};
  expect_refused(run(bundle), {"/linux/devices/0", "/dev/no-such"});
  bundle.config["linux"]["devices"] = {{{"path", "/dev/null"}, {"type", "c"}, {"major", 1}, {"minor", 5}}};
  expect_refused(run(bundle), {"/linux/devices/0", "/dev/null", "1:5"});
}

TEST_F(UserNamespace, MountsBelongToItsRoot) {
  Bundle bundle;
  add_user_namespace(bundle);
  bundle.add_mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"});
  bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "ro"});
  bundle.config["linux"]["maskedPaths"] = {"/proc/keys", "/proc/acpi", "/sys/firmware"};
  bundle.config["linux"]["readonlyPaths"] = {"/proc/sys"};
  Outcome outcome = output(bundle, {"stat", "/dev", "/dev/shm", "/dev/mqueue", "/dev/pts"});
  EXPECT_EQ(outcome.out.find("65534"), std::string::npos) << describe(outcome);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  json seen = report(bundle);
  std::string mounts = seen["mounts"].dump();
  for (const char* text :
       {" /proc ", " /sys ", " /dev/mqueue ", " /dev/pts ", " /sys/fs/cgroup ", " /proc/keys ", " /proc/sys ro"})
    EXPECT_NE(mounts.find(text), std::string::npos) << text << " is not in:\n" << mounts;
  outcome = output(bundle, {"opens", "w:/proc/sys/kernel/msgmax", "c:/dev/shm/x", "c:/dev/mqueue/x", "c:/sys/x"});
  EXPECT_EQ(outcome.out, "/proc/sys/kernel/msgmax 30\n/dev/shm/x 0\n/dev/mqueue/x 0\n/sys/x 30\n") << describe(outcome);
}

TEST_F(UserNamespace, FilterIsLoadedWithAndWithoutNoNewPrivileges) {
  for (bool no_new_privileges : {true, false}) {
    Bundle bundle;
    add_user_namespace(bundle);
    bundle.config["process"]["noNewPrivileges"] = no_new_privileges;
    bundle.config["process"]["user"] = {{"uid", 5}, {"gid", 5}};
    bundle.config["linux"]["seccomp"] = {
        {"defaultAction", "SCMP_ACT_ALLOW"},
        {"syscalls", {{{"names", {"getpriority"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 77}}}}};
    Outcome outcome = output(bundle, {"syscall", "140", "0", "0"});
    EXPECT_EQ(outcome.out, "-1 77\n") << describe(outcome);
    json seen = report(bundle);
    EXPECT_EQ(seen["no_new_privs"], no_new_privileges ? 1 : 0);
    EXPECT_EQ(seen["cap_effective"], "0000000000000000");
  }
}

TEST_F(UserNamespace, LifeOfOneInSteps) {
  Bundle bundle;
  add_user_namespace(bundle);
  bundle.config["process"]["oomScoreAdj"] = 300;
  bundle.payload({"pause"});
  bundle.write();
  ASSERT_EQ(call({"create", "--bundle", bundle.path(), id()}).code, 0);
  EXPECT_NE(call({"state", id()}).out.find("\"created\""), std::string::npos);
  ASSERT_EQ(call({"start", id()}).code, 0);
  Outcome inside = call({"exec", id(), "/bin/payload", "report"});
  ASSERT_EQ(inside.code, 0) << describe(inside);
  json seen = json::parse(inside.out);
  EXPECT_EQ(seen["oom_score_adj"], "300\n");  // docker names it for every exec, also with userns-remap
  EXPECT_EQ(seen["uids"], json::array({0, 0, 0}));
  EXPECT_EQ(seen["cap_effective"], "0000000008000421");
  EXPECT_EQ(seen["cap_bounding"], "0000000008000421");
  EXPECT_NE(seen["namespaces"]["user"], link_target("/proc/self/ns/user"));
  inside = call({"exec", "--user", "1001:1002", id(), "/bin/payload", "files", "/proc/self/uid_map"});
  EXPECT_EQ(squeezed(inside.out), "0 100000 1000\n1000 200000 10\n") << describe(inside);
  inside = call({"exec", id(), "/bin/payload", "mknod", "/tmp/disk", "b", "8", "0"});
  EXPECT_EQ(inside.out, "mknod 1\n") << describe(inside);
  EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
  EXPECT_TRUE(eventually([&] { return call({"state", id()}).out.find("\"stopped\"") != std::string::npos; }));
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(UserNamespace, TerminalIsItsRoots) {
  Bundle bundle;
  add_user_namespace(bundle);
  bundle.config["process"]["terminal"] = true;
  Outcome outcome = output(bundle, {"stat", "/dev/console", "/dev/pts/0"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.out.find("/dev/console char 0620 0 "), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("/dev/pts/0 char 0620 0 "), std::string::npos) << outcome.out;
}

TEST_F(UserNamespace, MountCanHaveItsMappings) {
  Bundle bundle;
  add_user_namespace(bundle);
  make_folders(bundle.path() + "/data");
  write_new_file(bundle.path() + "/data/roots", "", 0600);
  bundle.add_mount("/data", "bind", bundle.path() + "/data", {"bind", "idmap"});
  Outcome outcome = output(bundle, {"stat", "/data/roots"});
  if (outcome.err.find("cannot be idmapped (on this kernel)") != std::string::npos)
    GTEST_SKIP() << "a tmpfs cannot be idmapped before Linux 6.3";
  EXPECT_EQ(outcome.out.rfind("/data/roots file 0600 0 0 ", 0), 0U) << describe(outcome);
}

TEST_F(UserNamespace, WrongMappingsAreTold) {
  Bundle bundle;
  add_user_namespace(bundle);
  json& os = bundle.config["linux"];
  os["uidMappings"] = {one_map(0, kBase, 0)};
  expect_refused(run(bundle), {"/linux/uidMappings/0/size: must be at least 1: found 0"});
  os["uidMappings"] = {one_map(0, kBase, 10), one_map(5, 200000, 10)};
  expect_refused(run(bundle), {"/linux/uidMappings: ranges 0 and 1 overlap in the container"});
  os["uidMappings"] = {one_map(0, kBase, 10), one_map(10, kBase + 9, 10)};
  expect_refused(run(bundle), {"/linux/uidMappings: ranges 0 and 1 overlap on the host"});
  os["uidMappings"] = {one_map(1, kBase, 10)};
  expect_refused(run(bundle), {"/linux/uidMappings: must map containerID 0"});
  os["uidMappings"] = json::array();
  expect_refused(run(bundle), {"/linux/uidMappings: is required for a new user namespace"});
  os["uidMappings"] = {one_map(0, kBase, 10)};
  bundle.drop_namespace("user");
  expect_refused(run(bundle), {"/linux/uidMappings: needs a user namespace", "/linux/gidMappings: needs a user"});
}

// A sleeping process in a user namespace of its own, in which others may be made first.
class Neighbour {
 public:
  explicit Neighbour(int more) {
    int up[2], down[2];
    EXPECT_EQ(pipe2(up, O_CLOEXEC) | pipe2(down, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      char byte = 0;
      if (unshare(CLONE_NEWUSER) != 0 || write(up[1], "x", 1) != 1 || read(down[0], &byte, 1) != 1 || setgid(0) != 0 ||
          setuid(0) != 0 || unshare(more) != 0 || write(up[1], "x", 1) != 1)
        _exit(1);
      for (;;) pause();
    }
    char byte = 0;
    EXPECT_EQ(read(up[0], &byte, 1), 1);
    for (const char* map : {"/uid_map", "/gid_map"})
      std::ofstream("/proc/" + std::to_string(pid_) + map) << "0 100000 1000\n";
    EXPECT_EQ(write(down[1], "x", 1), 1);
    EXPECT_EQ(read(up[0], &byte, 1), 1);
    for (int fd : {up[0], up[1], down[0], down[1]}) close(fd);
  }
  ~Neighbour() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::string path(const std::string& type) const { return "/proc/" + std::to_string(pid_) + "/ns/" + type; }

 private:
  pid_t pid_;
};

TEST_F(UserNamespace, IsJoinedByPathBesideWhatItOwnsAndWhatTheHostOwns) {
  Neighbour neighbour(CLONE_NEWNET | CLONE_NEWUTS);
  Bundle bundle;
  give_rootfs(bundle, kBase);
  bundle.join_namespace("user", neighbour.path("user"));
  bundle.join_namespace("network", neighbour.path("net"));  // its own
  bundle.join_namespace("ipc", "/proc/self/ns/ipc");        // the host's
  json seen = report(bundle);
  EXPECT_EQ(seen["namespaces"]["user"], link_target(neighbour.path("user")));
  EXPECT_EQ(seen["namespaces"]["net"], link_target(neighbour.path("net")));
  EXPECT_EQ(seen["namespaces"]["ipc"], link_target("/proc/self/ns/ipc"));
  EXPECT_EQ(seen["uids"], json::array({0, 0, 0}));
  Outcome outcome = output(bundle, {"write", "/tmp/made", "x"});
  EXPECT_EQ(outcome.out, "write 0\n") << describe(outcome);
  struct stat made {};
  ASSERT_EQ(stat((bundle.rootfs() + "/tmp/made").c_str(), &made), 0);
  EXPECT_EQ(made.st_uid, kBase);
}

TEST_F(UserNamespace, MappingsBesideAPathMustBeItsOwn) {
  Neighbour neighbour(0);
  Bundle bundle;
  give_rootfs(bundle, kBase);
  bundle.join_namespace("user", neighbour.path("user"));
  bundle.config["linux"]["uidMappings"] = {one_map(0, kBase, 1000)};
  bundle.config["linux"]["gidMappings"] = {one_map(0, kBase, 1000)};
  bundle.payload({"pause"});
  Outcome outcome = detach(bundle);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  outcome = call({"exec", id(), "/bin/payload", "files", "/proc/self/uid_map"});
  EXPECT_EQ(squeezed(outcome.out), "0 100000 1000\n") << describe(outcome);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  bundle.config["linux"]["gidMappings"] = {one_map(0, kBase, 999)};
  expect_refused(run(bundle), {"/linux/gidMappings: must be those of the user namespace", neighbour.path("user"),
                               "it has 0 100000 1000"});
}

TEST_F(UserNamespace, PathThatIsNoneIsNamed) {
  Bundle bundle;
  bundle.join_namespace("user", "/proc/self/ns/net");
  expect_refused(run(bundle), {"/linux/namespaces/", "/proc/self/ns/net"});
  bundle.join_namespace("user", "/not/there");
  expect_refused(run(bundle), {"/linux/namespaces/", "/not/there"});
}

// config-linux.md, "Cgroup ownership".
class CgroupOwnership : public UserNamespace {
 protected:
  // Of the container's cgroup directory and its files: "DIR procs memory.max".
  std::string owners(Bundle& bundle) {
    bundle.config["linux"]["cgroupsPath"] = "/owned";
    bundle.payload({"pause"});
    EXPECT_EQ(detach(bundle).code, 0);
    std::string text;
    for (const char* file : {"", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads", "/cgroup.freeze"}) {
      struct stat info {};
      EXPECT_EQ(stat(("/sys/fs/cgroup/owned" + std::string(file)).c_str(), &info), 0);
      text += std::to_string(info.st_uid) + " ";
    }
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    return text;
  }
};

TEST_F(CgroupOwnership, IsTheUsersOfTheProcessWhereTheCgroupCanBeWritten) {
  Bundle bundle;
  add_user_namespace(bundle);
  bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"rw", "nosuid", "noexec", "nodev"});
  EXPECT_EQ(owners(bundle), "100000 100000 100000 100000 0 ");
  bundle.config["process"]["user"] = {{"uid", 1003}, {"gid", 0}};
  EXPECT_EQ(owners(bundle), "200003 200003 200003 200003 0 ");
}

TEST_F(CgroupOwnership, StaysRootsOtherwise) {
  Bundle bundle;
  add_user_namespace(bundle);
  EXPECT_EQ(owners(bundle), "0 0 0 0 0 ");
  bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"ro", "nosuid", "noexec", "nodev"});
  EXPECT_EQ(owners(bundle), "0 0 0 0 0 ");
  bundle.config["mounts"].back()["options"] = {"rw"};
  bundle.drop_namespace("cgroup");
  EXPECT_EQ(owners(bundle), "0 0 0 0 0 ");
}

TEST_F(CgroupOwnership, LetsTheContainerMakeCgroupsAndGoesWithIt) {
  Bundle bundle;
  add_user_namespace(bundle);
  if (!bundle.add_busybox({"sh", "mkdir", "cat"})) GTEST_SKIP() << "no busybox";
  bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"rw", "nosuid", "noexec", "nodev"});
  bundle.config["process"]["args"] = {"/bin/sh", "-c",
                                      "cd /sys/fs/cgroup && mkdir a a/b && echo 0 > a/b/cgroup.procs && "
                                      "cat /proc/self/cgroup && echo 1 > cgroup.freeze"};
  Outcome outcome = run(bundle);
  EXPECT_NE(("\n" + outcome.out).find("\n0::/a/b\n"), std::string::npos) << describe(outcome);
  EXPECT_NE(outcome.code, 0);
  EXPECT_NE(outcome.err.find("ermission denied"), std::string::npos) << describe(outcome);
}

}  // namespace
}  // namespace minirun::testing
