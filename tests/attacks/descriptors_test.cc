// SPDX-License-Identifier: Apache-2.0
// What a container can reach through the processes and the descriptors of minirun, and which files minirun opens at
// all.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>

#include "sys/file.h"
#include "tests/attacks/attack.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Descriptors : public Attack {
 protected:
  void start_saying(Bundle& bundle, const std::vector<std::string>& payload,
                    const std::vector<std::string>& flags = {}) {
    bundle.payload(payload);
    Attack::start_saying(bundle, flags);
  }
  // Refused, or at a place of the container: the init's own descriptors lead to some. What is outside has no path
  // there.
  static void expect_inside(const Outcome& outcome, int refusal) {
    if (outcome.code == refusal) return;
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    std::string cwd = json::parse(outcome.out)["cwd"];
    EXPECT_TRUE(cwd[0] == '/' && cwd.find("/run/tests") == std::string::npos) << cwd;
  }
  // What it said after its first line.
  std::string end_and_hear() {
    std::string said = Attack::end_and_hear("\n");
    return said.substr(said.find('\n') + 1);
  }
};

TEST_F(Descriptors, ProgramOfTheHostIsNotWritten) {
  // CVE-2019-5736: the workload waits for minirun's processes in its pid namespace, and writes to their program.
  std::string copy = "/run/tests/runtime";
  ASSERT_TRUE(copy_program(program("MINIRUN", "minirun"), copy));
  auto before = read_file(AT_FDCWD, copy, 1 << 24);
  ASSERT_TRUE(before.ok());
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    // A process of minirun's makes some four calls in there: not every container catches one.
    std::string said = "opened 0 ";
    for (int container = 0; container < 20 && said.find("opened 0 ") != std::string::npos; ++container) {
      Bundle bundle;
      bundle.add_capability("CAP_SYS_PTRACE");
      start_saying(bundle, {"overwrite"}, flags);
      for (int i = 0; i < 30; ++i) {
        Outcome outcome = Running({copy, "--root", kState, "exec", id(), "/bin/payload", "true"}, {}).finish();
        EXPECT_EQ(outcome.code, 0) << describe(outcome);
      }
      said = end_and_hear();
      EXPECT_NE(said.find("written 0"), std::string::npos) << said;
    }
    EXPECT_EQ(said.find("opened 0 "), std::string::npos) << "nothing was tried: " << said;
    auto after = read_file(AT_FDCWD, copy, 1 << 24);
    EXPECT_TRUE(after.ok() && *after == *before) << "the program of the host was changed";
  }
  EXPECT_EQ(unlink(copy.c_str()), 0);
}

TEST_F(Descriptors, ProcSelfExeIsNotTheHosts) {
  // CVE-2019-5736, its other forms: as the program, by a link, as a script's interpreter.
  auto before = read_file(AT_FDCWD, program("MINIRUN", "minirun"), 1 << 24);
  for (const char* form : {"/proc/self/exe", "/link", "/script", "/proc/1/exe", "/proc/thread-self/exe"}) {
    Bundle bundle;
    bundle.add_link("/link", "/proc/self/exe");
    bundle.add_file("/script", "#!/proc/self/exe\n", 0755);
    bundle.config["process"]["args"] = {form, "--version"};
    Outcome outcome = run(bundle);
    EXPECT_NE(outcome.code, 0) << form << describe(outcome);
    EXPECT_EQ(outcome.out.find("spec:"), std::string::npos) << form << ": minirun itself ran in the container";
    bundle.config["process"]["args"] = {"/bin/payload", "pause"};
    start(bundle);
    outcome = exec({}, {form, "--version"});
    EXPECT_EQ(outcome.out.find("spec:"), std::string::npos) << form << ": minirun itself ran in the container";
    end();
  }
  auto after = read_file(AT_FDCWD, program("MINIRUN", "minirun"), 1 << 24);
  EXPECT_TRUE(before.ok() && after.ok() && *after == *before);
}

TEST_F(Descriptors, OfTheHostAreNotThereDuringExec) {
  // CVE-2016-9962: a process that joins holds a descriptor of a folder of the host. With CAP_SYS_PTRACE the container
  // sees that of a process which was given one, which shows that it does look.
  for (bool may_trace : {false, true}) {
    Bundle bundle;
    if (may_trace) bundle.add_capability("CAP_SYS_PTRACE");
    start_saying(bundle, {"grab"});
    StartOptions options;
    UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    options.stdout_fd = options.stderr_fd = null.get();
    options.in_child = [] { (void)dup2(1, 3); };
    if (may_trace) {
      EXPECT_EQ(exec({"--detach", "--preserve-fds", "1"}, {"/bin/payload", "pause"}, options).code, 0);
    }
    for (int i = 0; i < 30; ++i) EXPECT_EQ(exec({}, {"/bin/payload", "true"}).code, 0);
    std::string said = end_and_hear();
    EXPECT_NE(said.find(" outside 0"), std::string::npos) << said;
    EXPECT_EQ(said.find("looks 0 ") != std::string::npos, !may_trace) << said;
  }
}

TEST_F(Descriptors, ExecJoinsRightWhateverTheContainersProcIs) {
  // CVE-2015-1334: the container puts something else on its own /proc; a joining process must not trust it.
  auto identity = [](pid_t pid) {
    std::string text;
    for (const char* ns : {"pid", "net", "mnt", "uts", "ipc", "cgroup", "user"})
      text += link_target(fmt::format("/proc/{}/ns/{}", pid, ns)) + "\n";
    std::istringstream status(content(fmt::format("/proc/{}/status", pid)));
    for (std::string line; std::getline(status, line);)
      for (const char* key : {"Uid:", "Gid:", "Groups:", "NoNewPrivs:", "Seccomp:"})
        if (line.starts_with(key) || (line.starts_with("Cap") && key[0] == 'U')) text += line + "\n";
    return text;
  };
  constexpr const char* kExecPid = "/run/tests/exec.pid";
  Bundle bundle;
  ASSERT_TRUE(bundle.add_busybox({"sh", "mount", "mkdir", "sleep"}));
  bundle.add_capability("CAP_SYS_ADMIN");
  for (const char* evil : {"mount -t tmpfs none /proc; mkdir -p /proc/self/attr /proc/self/fd /proc/1/ns",
                           "mount -o bind /tmp /proc", "mount -o bind /proc/1/root/tmp /proc/self"}) {
    bundle.config["process"]["args"] = {"/bin/sh", "-c", std::string(evil) + " && echo ready && exec sleep 1000"};
    ASSERT_NO_FATAL_FAILURE(Attack::start_saying(bundle, {"--no-init"}));
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions options;
    options.stdout_fd = nowhere.get();
    Outcome outcome = exec({"--detach", "--pid-file", kExecPid}, {"/bin/sleep", "1000"}, options);
    ASSERT_EQ(outcome.code, 0) << evil << describe(outcome);
    EXPECT_EQ(identity(atoi(content(kExecPid).c_str())), identity(container_pid())) << evil;
    end();
    EXPECT_EQ(unlink(kSaid) + unlink(kExecPid), 0);
  }
}

TEST_F(Descriptors, LeakedByTheCallerStayOutside) {
  // CVE-2024-21626: a descriptor of a folder of the host, and a working directory that goes through it.
  UniqueFd host(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  StartOptions options;
  options.in_child = [&] {
    for (int fd : {7, 8, 9, 10, 55})
      if (dup2(host.get(), fd) < 0) _exit(97);
  };
  for (const char* end : {"", "/../../..", "/run/tests/host", "/proc/self/root"})
    for (int fd : {3, 4, 5, 6, 7, 8, 9, 10, 11, 55}) {
      Bundle bundle;
      bundle.config["process"]["cwd"] = "/proc/self/fd/" + std::to_string(fd) + end;
      bundle.payload({"report"});
      Outcome outcome = run(bundle, {}, options);
      expect_inside(outcome, 1);
    }
  Bundle bundle;
  EXPECT_EQ(report(bundle, {}, options)["fds"].size(), 3U);
  start(bundle);
  Outcome outcome = exec({}, {"/bin/payload", "report"}, options);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(json::parse(outcome.out)["fds"].size(), 3U);
  for (int fd : {7, 8, 9}) {
    outcome = exec({"--cwd", "/proc/self/fd/" + std::to_string(fd)}, {"/bin/payload", "report"}, options);
    expect_inside(outcome, 255);
  }
  end();
}

TEST_F(Descriptors, OfTheCallerAreNotInACreatedContainer) {
  // The class of CVE-2024-21626: minirun's init waits for start in the container with what its caller left open.
  UniqueFd host(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UniqueFd reader(ends[0]), writer(ends[1]);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  StartOptions options;
  options.in_child = [&] {
    const std::pair<int, int> kLeaks[] = {{host.get(), 9}, {writer.get(), 40}, {socket.get(), 63}};
    for (auto [fd, number] : kLeaks)
      if (dup2(fd, number) < 0) _exit(97);
  };
  std::set<std::pair<dev_t, ino_t>> leaked;
  for (int fd : {host.get(), writer.get(), socket.get()}) {
    struct stat info {};
    ASSERT_EQ(fstat(fd, &info), 0);
    leaked.insert({info.st_dev, info.st_ino});
  }
  for (bool with_init : {false, true}) {
    Bundle bundle;
    bundle.add_capability("CAP_SYS_PTRACE");
    bundle.payload({"pause"});
    bundle.write();
    std::vector<std::string> flags = {"create", "--bundle", bundle.path(), "--pid-file", kPidFile};
    if (with_init) flags.emplace_back("--init");
    flags.push_back(id());
    Outcome outcome = call(flags, options);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    std::string folder = "/proc/" + content(kPidFile) + "/fd";
    int seen = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      struct stat info {};
      if (stat(entry.path().c_str(), &info) < 0) continue;
      ++seen;
      EXPECT_FALSE(leaked.contains({info.st_dev, info.st_ino})) << entry.path();
    }
    EXPECT_GT(seen, 3);
    outcome = exec({}, {"/bin/payload", "files", "/proc/1/fd/9" + std::string(kHost) + "/precious"});
    EXPECT_EQ(outcome.out.find("precious"), std::string::npos) << describe(outcome);
    end();
  }
}

// The descriptor for events: a container that holds it could lie to the reader.
TEST_F(Descriptors, OfTheStatusIsInNoProcessThatMinirunStarts) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UniqueFd reader(ends[0]), writer(ends[1]);
  UniqueFd nowhere(open("/dev/null", O_RDWR | O_CLOEXEC));
  const std::string pipe = link_target(fmt::format("/proc/self/fd/{}", writer.get()));
  const std::string seen = "/run/tests/hook-fds";
  StartOptions options;
  options.in_child = [&] {
    if (dup2(nowhere.get(), 3) < 0 || dup2(nowhere.get(), 4) < 0 || dup2(writer.get(), 5) < 0) _exit(97);
  };
  options.stdout_fd = nowhere.get();
  auto expect_without = [&](const std::string& pid, const char* which) {
    int open = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/" + pid + "/fd")) {
      ++open;
      EXPECT_NE(link_target(entry.path()), pipe) << which << " " << entry.path();
    }
    return open;
  };
  for (bool user_namespace : {false, true})
    for (const std::vector<std::string>& flags : {std::vector<std::string>{"create"},
                                                  {"create", "--init"},
                                                  {"run", "--detach"},
                                                  {"run", "--detach", "--no-init"}}) {
      Bundle bundle;
      if (user_namespace) bundle.add_user_namespace();
      ASSERT_TRUE(bundle.add_busybox({"sh", "ls"}));
      for (const char* hook : {"createRuntime", "poststart"})
        bundle.config["hooks"][hook] = {
            {{"path", "/bin/busybox"}, {"args", {"sh", "-c", "/bin/busybox ls -l /proc/self/fd >> " + seen}}}};
      bundle.payload({"pause"});
      bundle.write();
      std::vector<std::string> words = flags;
      words.insert(words.end(), {"--status-fd", "5", "--preserve-fds", "2", "--bundle", bundle.path(), "--pid-file",
                                 kPidFile, id()});
      Outcome outcome = call(words, options);
      ASSERT_EQ(outcome.code, 0) << flags[0] << describe(outcome);
      (void)expect_without(content(kPidFile), "the first process");
      if (flags[0] == "create") {
        ASSERT_EQ(call({"start", "--status-fd", "5", id()}, options).code, 0);
      }
      words = {"exec", "--detach", "--status-fd", "5", "--preserve-fds", "2", "--pid-file", "/run/tests/exec.pid"};
      words.insert(words.end(), {id(), "/bin/payload", "pause"});
      ASSERT_EQ(call(words, options).code, 0);
      (void)expect_without(content(kPidFile), "the first process that runs");
      EXPECT_EQ(expect_without(content("/run/tests/exec.pid"), "the process of exec"), 5);
      for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::error_code error;
        std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != name.npos || name == std::to_string(getpid())) continue;
        for (const auto& fd : std::filesystem::directory_iterator(entry.path() / "fd", error))
          EXPECT_NE(std::filesystem::read_symlink(fd.path(), error).string(), pipe) << name;
      }
      EXPECT_EQ(unlink("/run/tests/exec.pid"), 0);
      end();
      std::string hooks = content(seen);
      EXPECT_NE(hooks.find(" 0 -> "), std::string::npos) << hooks;
      EXPECT_EQ(hooks.find(pipe), std::string::npos) << hooks;
      EXPECT_EQ(unlink(seen.c_str()), 0);
    }
}

}  // namespace
}  // namespace minirun::testing
