// SPDX-License-Identifier: Apache-2.0
// Failures that a user can cause and mend: the message says what to change. Each row of the table in
// runtime/diagnosis/remedy.cc names its test here.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/support/exec_fixture.h"
#include "tests/support/rootless_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

void expect_words(const Outcome& outcome, const std::vector<std::string>& words) {
  EXPECT_NE(outcome.code, 0);
  for (const std::string& word : words)
    EXPECT_NE(outcome.err.find(word), std::string::npos) << word << "\n" << describe(outcome);
}

void set_rlimit(json& config, const char* type, uint64_t value) {
  config["process"]["rlimits"] = json::array({{{"type", type}, {"soft", value}, {"hard", value}}});
}

class Remedy : public ExecTest {
 protected:
  void SetUp() override {
    ExecTest::SetUp();
    bundle_.payload({"true"});
  }
  json& config() { return bundle_.config; }
  void user_namespace() {
    config()["linux"]["namespaces"].push_back({{"type", "user"}});
    for (const char* map : {"uidMappings", "gidMappings"})
      config()["linux"][map] = json::array({{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}});
  }
  std::string source(const char* name) const { return bundle_.path() + "/" + name; }
  void expect_run(const std::vector<std::string>& words, const std::vector<std::string>& flags = {},
                  const StartOptions& options = {}) {
    expect_words(run(bundle_, flags, options), words);
  }
};

TEST_F(Remedy, FilesAboveNrOpen) {
  std::string most = content("/proc/sys/fs/nr_open");
  set_rlimit(config(), "RLIMIT_NOFILE", std::stoull(most) + 1);
  expect_run(
      {"/process/rlimits/0: limit RLIMIT_NOFILE", "the kernel allows " + most + " at most", "sysctl fs.nr_open"});
}

TEST_F(Remedy, HardLimitAboveTheCallers) {
  set_rlimit(config(), "RLIMIT_NICE", 40);
  StartOptions options;
  options.in_child = [] {
    constexpr unsigned long kSysResource = 24;
    rlimit none{0, 0};
    if (setrlimit(RLIMIT_NICE, &none) < 0 || prctl(PR_CAPBSET_DROP, kSysResource, 0, 0, 0) < 0) _exit(97);
  };
  expect_run({"/process/rlimits/0: limit RLIMIT_NICE", "operation not permitted", "only CAP_SYS_RESOURCE of the host"},
             {}, options);
}

TEST_F(Remedy, FilesystemOfAnotherNamespace) {
  user_namespace();
  bundle_.drop_namespace("network");
  expect_run({"mount sysfs on /sys", "takes a network namespace of its own: add one to /linux/namespaces"});
  config()["linux"]["namespaces"].push_back({{"type", "network"}});
  bundle_.drop_namespace("ipc");
  bundle_.add_mount("/dev/mqueue", "mqueue", "mqueue");
  expect_run({"mount mqueue on /dev/mqueue", "takes a ipc namespace of its own: add one to /linux/namespaces"});
}

TEST_F(Remedy, SourceThatIsMissing) {
  bundle_.add_mount("/data", "bind", "data", {"bind"});
  expect_run({"/mounts/5: source " + source("data") + ": no such file or directory", "it must exist on the host"});
}

TEST_F(Remedy, FileOnADirectory) {
  bundle_.add_folder("/etc/app.conf");
  write_new_file(source("file"), "x", 0644);
  bundle_.add_mount("/etc/app.conf", "bind", "file", {"bind"});
  expect_run({"/mounts/5", "is a directory", "the source is a file and the destination a directory: name the file in"});
}

TEST_F(Remedy, DirectoryOnAFile) {
  bundle_.add_file("/etc/app.conf", "x");
  make_folders(source("folder"));
  for (const char* destination : {"/etc/app.conf", "/etc/app.conf/below"}) {
    bundle_.add_mount(destination, "bind", "folder", {"bind"});
    expect_run(
        {"/mounts/5", "not a directory", "the source is a directory, and the destination or a part of its path"});
    config()["mounts"].erase(5);
  }
}

TEST_F(Remedy, FilesystemOnAFile) {
  bundle_.add_file("/etc/app.conf", "x");
  bundle_.add_mount("/etc/app.conf", "tmpfs", "tmpfs");
  expect_run({"/mounts/5", "not a directory", "a filesystem needs a directory: change the destination"});
}

TEST_F(Remedy, UnknownFilesystem) {
  bundle_.add_mount("/data", "nosuchfs", "none");
  expect_run({"/mounts/5: fsopen nosuchfs: no such device", "this kernel has no such filesystem: /proc/filesystems"});
}

TEST_F(Remedy, ProcAsALink) {
  (void)rmdir((bundle_.rootfs() + "/proc").c_str());
  for (const char* target : {"/elsewhere", "/bin"}) {
    bundle_.add_link("/proc", target);
    expect_run({"/mounts/0: mount proc on /proc", "the image has a symbolic link there"});
    ASSERT_EQ(unlink((bundle_.rootfs() + "/proc").c_str()), 0);
  }
}

TEST_F(Remedy, ArgumentsTooLong) {
  for (int i = 0; i < 60; i++) config()["process"]["args"].push_back(std::string(120000, 'x'));
  expect_run({"exec /bin/payload: argument list too long", "6.8 MiB",
              "arguments and variables; the kernel takes a quarter of RLIMIT_STACK"});
}

TEST_F(Remedy, FilterWithoutExecve) {
  for (const auto& [errno_number, words] :
       {std::pair{38, "the seccomp filter forbids execve: allow execve in /linux/seccomp"},
        std::pair{1, "a seccomp filter or a security module forbids it: allow execve in /linux/seccomp"}}) {
    json rule = {{"action", "SCMP_ACT_ERRNO"}, {"errnoRet", errno_number}, {"names", {"execve"}}};
    config()["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", json::array({rule})}};
    expect_run({"exec /bin/payload: ", words});
    expect_run({"exec /bin/payload: ", words}, {"--no-init"});
    bundle_.write();
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions silent;
    silent.stdout_fd = silent.stderr_fd = nowhere.get();
    Outcome created = call({"create", "--bundle", bundle_.path(), id()}, silent);
    EXPECT_EQ(created.code, 0) << describe(created);
    expect_words(call({"start", id()}), {"exec /bin/payload: ", words});
    end();
  }
}

TEST_F(Remedy, SecondListener) {
  config()["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"}};
  StartOptions options;
  options.in_child = [] {
    sock_filter filter[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const sock_fprog program{1, filter};
    const long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (fd < 0 || fcntl(static_cast<int>(fd), F_SETFD, 0) != 0) _exit(97);  // it counts as long as it is open
  };
  expect_run({"/linux/seccomp", "minirun runs under a seccomp filter that has a listener"}, {"--explain-seccomp"},
             options);
}

TEST_F(Remedy, TooManyProcessesOfTheUser) {
  config()["process"]["user"]["uid"] = 4321;
  StartOptions options;
  options.in_child = [] {
    rlimit one{1, 1};
    if (setrlimit(RLIMIT_NPROC, &one) < 0) _exit(97);
  };
  expect_run({"start the workload", "RLIMIT_NPROC counts all processes of the user on the host, minirun's init too"},
             {}, options);
  EXPECT_EQ(run(bundle_, {"--no-init"}, options).code, 0) << "the remedy";
  if (!has_capability(CAP_SYS_RESOURCE)) return;
  set_rlimit(config(), "RLIMIT_NPROC", 2);
  EXPECT_EQ(run(bundle_, {}, options).code, 0) << "the other one: in /process/rlimits";
}

TEST_F(Remedy, IdThatIsNotMapped) {
  user_namespace();
  config()["process"]["user"]["uid"] = 70000;
  expect_run(
      {"/process/user: become uid 70000", "not in the container's user namespace: add it to /linux/uidMappings"});
  config()["process"]["user"] = {{"uid", 0}, {"gid", 0}, {"additionalGids", {70000}}};
  expect_run({"/process/user/additionalGids", "70000", "add it to /linux/uidMappings and /linux/gidMappings"});
}

TEST_F(Remedy, SysctlOfNoKernel) {
  config()["linux"]["sysctl"] = {{"net.ipv4.nosuch", "1"}};
  expect_run({"/linux/sysctl/net.ipv4.nosuch", "this kernel has no such sysctl"});
  config()["linux"]["sysctl"] = {{"net.ipv4.ip_forward", "abc"}};
  expect_run({"/linux/sysctl/net.ipv4.ip_forward", "the kernel does not take this value"});
}

TEST_F(Remedy, SchedulerThatIsRefused) {
  config()["process"]["scheduler"] = {{"policy", "SCHED_DEADLINE"}, {"runtime", 10}, {"deadline", 20}, {"period", 30}};
  expect_run({"/process/scheduler: set the scheduler: SCHED_DEADLINE", "sched(7)"});
}

TEST_F(Remedy, NodeThatIsNotThere) {
  config()["linux"]["memoryPolicy"] = {{"mode", "MPOL_BIND"}, {"nodes", "60"}};
  expect_run({"/linux/memoryPolicy: set the memory policy", "/sys/devices/system/node/online"});
}

TEST_F(Remedy, WorkingDirectory) {
  config()["process"]["cwd"] = "/bin/payload";
  expect_run(
      {"/process/cwd: change directory to /bin/payload", "it or a part of its path is a file: name a directory"});
  config()["process"]["cwd"] = "/";
  start();
  expect_words(exec({"--cwd", "/nosuch"}, {"/bin/payload", "true"}),
               {"--cwd: change directory to /nosuch", "name a directory that the container has"});
  end();
}

// The pid namespace of a container ends when all of it is reaped, also those whose parent is outside.
TEST_F(Remedy, ParentThatDoesNotReap) {
  start({"pause"});
  Running stopped(exec_command({}, {"/bin/payload", "pause"}), {});
  // Until it has executed its program, a process of minirun's own may be there too.
  ASSERT_TRUE(eventually([&] {
    int payloads = 0;
    for (const json& pid : json::parse(call({"ps", "--format", "json", id()}).out))
      payloads += content("/proc/" + pid.dump() + "/comm") == "payload" ? 1 : 0;
    return payloads == 2;
  }));
  stopped.send(SIGSTOP);
  expect_words(call({"delete", "--force", id()}),
               {"does not end after SIGKILL: pid ", "(payload, Z: its parent, pid " + std::to_string(stopped.pid()) +
                                                        " (minirun), has not waited for it: end that)"});
  stopped.send(SIGCONT);
  stopped.finish();
  end();
}

TEST_F(Remedy, LimitsAreNamedByTheirPointers) {
  for (const auto& [name, value, pointer] : std::vector<std::tuple<std::string, json, std::string>>{
           {"cpu", {{"cpus", "4000"}}, "/cpu/cpus"},
           {"hugepageLimits", json::array({{{"pageSize", "3MB"}, {"limit", 1}}}), "/hugepageLimits/0"},
           {"unified", {{"cgroup.max.depth", "z"}}, "/unified/cgroup.max.depth"}}) {
    config()["linux"]["resources"] = {{name, value}};
    expect_run({"run " + id() + ": /linux/resources" + pointer});
  }
}

TEST_F(Remedy, OptionsAreNamedAndNotTheConfig) {
  start({"pause"});
  for (const auto& [flags, words] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"--apparmor", "x"}, ": --apparmor: \"x\": AppArmor is not enabled"},
           {{"--process-label", "x"}, ": --process-label: \"x\": SELinux is not enabled"},
           {{"--cwd", "x"}, ": --cwd: must be an absolute path: found \"x\""},
           {{"--env", "x"}, ": --env: must be NAME=value: found \"x\""},
           {{"--detach", "--tty"}, ": --tty: needs --console-socket here, as minirun does not stay to relay"}}) {
    if ((flags[0] == "--apparmor" && access("/sys/kernel/security/apparmor", F_OK) == 0) ||
        (flags[0] == "--process-label" && access("/sys/fs/selinux/enforce", F_OK) == 0))
      continue;  // with these loaded the words are those of Labels.*
    expect_words(exec(flags, {"/bin/payload", "true"}), {"exec failed: " + id() + words});
  }
  json process = config()["process"];
  process["cwd"] = "/nosuch";
  write_new_file(source("process.json"), process.dump(), 0644);
  expect_words(exec({"--process", source("process.json")}, {}),
               {source("process.json") + ": /cwd: change directory to /nosuch"});
  end();
}

TEST_F(Remedy, TerminalThatMinirunDoesNotRelay) {
  config()["process"]["terminal"] = true;
  bundle_.write();
  for (const std::vector<std::string>& words : {std::vector<std::string>{"create"}, {"run", "--detach"}}) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"--bundle", bundle_.path(), id()});
    Outcome outcome = call(all);
    expect_words(outcome, {"/process/terminal: needs --console-socket here"});
    EXPECT_EQ(outcome.err.find("--detach"), std::string::npos) << outcome.err;
  }
}

TEST_F(Remedy, IdMapThatIsTooLongForTheKernel) {
  user_namespace();
  json maps = json::array();
  for (uint32_t i = 0; i < 300; i++) maps.push_back({{"containerID", i}, {"hostID", 1000000000 + 2 * i}, {"size", 1}});
  config()["linux"]["uidMappings"] = maps;
  expect_run({"config.json:", ": /linux/uidMappings: 300 ranges take", "room for 4095: join ranges that adjoin"});
}

TEST_F(Remedy, WordsOfTheKernelAreOneLineWithoutItsPrefix) {
  bundle_.add_mount("/data", "tmpfs", "tmpfs", {"tmpcopyup", "sise=9"});
  expect_run({"/mounts/5: mount tmpfs: option sise=9: tmpfs: Unknown parameter 'sise': invalid argument\n"});
  config()["mounts"].erase(5);
  bundle_.add_mount("/data", "ext4", "/dev/nosuch");
  // "Can't lookup blockdev", or "open" in Linux 6.1.
  expect_run({"/mounts/5: mount ext4 from /dev/nosuch: /dev/nosuch: Can't ", " blockdev: no such file or directory"});
}

// Of minirun's own limits, and of namespaces that minirun may not make.
class RemedyForUsers : public RootlessTest {
 protected:
  Outcome run_with(const Bundle& bundle, const std::function<void()>& before) {
    bundle.write();
    return run_words({"run", "--bundle", bundle.path(), "mine"}, before);
  }
  Outcome run_words(std::vector<std::string> words, const std::function<void()>& before) {
    StartOptions options = user_options();
    options.in_child = [as_user = options.in_child, before] {
      as_user();
      before();
    };
    words.insert(words.begin(), kProgram);
    return Running(words, options).finish();
  }
};

TEST_F(RemedyForUsers, CloneBeyondALimit) {
  Bundle bundle;
  make_rootless(bundle, {"pause"});
  auto limited = [](rlim_t most) {
    return [most] {
      rlimit limit{most, most};
      if (setrlimit(RLIMIT_NPROC, &limit) < 0) _exit(98);
    };
  };
  constexpr const char* kWords = "RLIMIT_NPROC of minirun's user, pids.max of a cgroup above, or kernel.threads-max";
  expect_words(run_with(bundle, limited(1)), {"/linux/namespaces: fork: resource temporarily unavailable", kWords});
  Outcome outcome = user_run(bundle, {"--detach"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  expect_words(run_words({"exec", "mine", "/bin/payload", "true"}, limited(1)),
               {"exec failed: mine: clone3: resource temporarily unavailable", kWords});
  EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).code, 0);
}

TEST_F(RemedyForUsers, TooManyNamespaces) {
  Bundle bundle;
  make_rootless(bundle, {"true"});
  for (std::string type : {"uts", "user", "pid"}) {
    Outcome outcome = run_with(bundle, [type] {
      bool made = prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 && unshare(CLONE_NEWUSER) == 0 &&
                  write_control(AT_FDCWD, "/proc/self/uid_map", "1000 1000 1") &&
                  write_control(AT_FDCWD, "/proc/self/setgroups", "deny") &&
                  write_control(AT_FDCWD, "/proc/self/gid_map", "1001 1001 1") &&
                  write_control(AT_FDCWD, "/proc/sys/user/max_" + type + "_namespaces", "0");
      if (!made) _exit(98);
    });
    expect_words(outcome, {"no space left on device", "a sysctl user.max_*_namespaces of the host is reached"});
  }
}

TEST_F(RemedyForUsers, ProcThatWouldReveal) {
  Bundle bundle;
  make_rootless(bundle, {"true"});
  ASSERT_EQ(mount("none", "/proc/fs", "tmpfs", 0, nullptr), 0);
  Outcome outcome = run_with(bundle, [] {});
  ASSERT_EQ(umount("/proc/fs"), 0);
  // Newer kernels say "Mount too revealing" too.
  expect_words(outcome, {"mount proc on /proc", "mounts cover parts of the one that minirun sees",
                         "run minirun where /proc and /sys are whole"});
}

TEST_F(RemedyForUsers, FilesystemThatIsNotForUsers) {
  Bundle bundle;
  make_rootless(bundle, {"true"});
  bundle.add_mount("/data", "debugfs", "none");
  constexpr const char* kWords = "a user namespace may not mount this type: mount it on the host and bind it";
  expect_words(run_with(bundle, [] {}), {"mount debugfs on /data", "operation not permitted", kWords});
  bundle.config["mounts"].back() = {{"destination", "/data"}, {"type", "ext4"}, {"source", "/dev/null"}};
  expect_words(run_with(bundle, [] {}), {"mount ext4 from /dev/null: operation not permitted", kWords});
}

}  // namespace
}  // namespace minirun::testing
