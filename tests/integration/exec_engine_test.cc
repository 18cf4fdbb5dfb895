// SPDX-License-Identifier: Apache-2.0
// `exec` with what engines give it: descriptors, sockets, a terminal, a CPU affinity, a cgroup.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/descriptors.h"
#include "tests/support/exec_fixture.h"
#include "tests/support/input.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

constexpr const char* kSocket = "/run/tests/exec-socket";

class ExecEngine : public ExecTest {};

std::string status_line(const std::string& text, const std::string& name) {
  size_t at = text.find("\n" + name + ":\t");
  if (at == std::string::npos) return "(none)";
  at += name.size() + 3;
  return text.substr(at, text.find('\n', at) - at);
}

TEST_F(ExecEngine, FinalCpuAffinityIsTheProcesses) {
  cpu_set_t own;
  ASSERT_EQ(sched_getaffinity(0, sizeof own, &own), 0);
  std::vector<std::string> cpus;
  for (int i = 0; i < CPU_SETSIZE && cpus.size() < 2; ++i)
    if (CPU_ISSET(i, &own)) cpus.push_back(std::to_string(i));
  ASSERT_FALSE(cpus.empty());
  if (cpus.size() == 1) cpus.push_back(cpus[0]);
  if (!bundle_.add_busybox({"cat"})) GTEST_SKIP() << "no busybox";
  start();
  int number = 0;
  auto seen = [&](const json& affinity) {
    json process = bundle_.config["process"];
    process["args"] = {"/bin/cat", "/proc/self/status"};
    process["execCPUAffinity"] = affinity;
    std::string file = bundle_.path() + "/process" + std::to_string(++number);
    write_new_file(file, process.dump(), 0644);
    Outcome outcome = exec({"--process", file}, {});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    return status_line(outcome.out, "Cpus_allowed_list");
  };
  EXPECT_EQ(seen({{"initial", cpus[0]}, {"final", cpus[1]}}), cpus[1]);
  EXPECT_EQ(seen({{"final", cpus[0]}}), cpus[0]);
  json process = bundle_.config["process"];
  process["execCPUAffinity"] = {{"initial", "1023"}};
  write_new_file(bundle_.path() + "/nowhere", process.dump(), 0644);
  Outcome outcome = exec({"--process", bundle_.path() + "/nowhere"}, {});
  EXPECT_EQ(outcome.code, 255) << describe(outcome);
  EXPECT_NE(outcome.err.find("/nowhere: /execCPUAffinity/initial"), std::string::npos) << describe(outcome);
  end();
}

// As a person asks for it, and as engines do.
TEST_F(ExecEngine, ConsoleSocketReceivesTheMaster) {
  start();
  const std::string file = bundle_.path() + "/process.json";
  json process = bundle_.config["process"];
  process["args"] = {"/bin/payload", "tty"};
  process["terminal"] = true;
  write_new_file(file, process.dump(), 0644);
  UniqueFd listener = listen_at(kSocket, SOCK_STREAM);
  const std::pair<std::vector<std::string>, std::vector<std::string>> ways[] = {{{"-t"}, {"/bin/payload", "tty"}},
                                                                                {{"--process", file}, {}}};
  for (auto [flags, command] : ways) {
    flags.insert(flags.end(), {"-d", "--console-socket", kSocket});
    Outcome outcome = exec(flags, command);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    UniqueFd terminal = receive_descriptor(listener.get());
    EXPECT_EQ(isatty(terminal.get()), 1);
    expect_shown(terminal.get(), "tty ");
  }
  end();
  EXPECT_EQ(unlink(kSocket), 0);
}

TEST_F(ExecEngine, TtyGoesBeforeTheProcessFile) {
  start();
  const std::string file = bundle_.path() + "/process.json";
  json process = bundle_.config["process"];
  process["args"] = {"/bin/payload", "true"};
  for (bool terminal : {true, false}) {
    process["terminal"] = terminal;
    write_new_file(file, process.dump(), 0644);
    // Without a console socket a terminal is refused, so the exit status says which of the two counted.
    EXPECT_EQ(exec({"--process", file, "-d"}, {}).code, terminal ? 255 : 0);
    EXPECT_EQ(exec({"--process", file, "-d", "-t"}, {}).code, 255);
    EXPECT_EQ(exec({"--process", file, "-d", "--no-tty"}, {}).code, 0);
    EXPECT_EQ(unlink(file.c_str()), 0);
  }
  end();
}

TEST_F(ExecEngine, PidfdSocketReceivesThePidfd) {
  start();
  UniqueFd listener = listen_at(kSocket, SOCK_STREAM);
  std::string file = "/run/tests/exec-pid";
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = nowhere.get();
  Outcome outcome = exec({"-d", "--pidfd-socket", kSocket, "--pid-file", file}, {"/bin/payload", "pause"}, options);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  UniqueFd pidfd = receive_descriptor(listener.get());
  std::string info = content("/proc/self/fdinfo/" + std::to_string(pidfd.get()));
  EXPECT_NE((info + "\n").find("Pid:\t" + content(file) + "\n"), std::string::npos) << info;
  end();
  EXPECT_EQ(unlink(file.c_str()), 0);
  EXPECT_EQ(unlink(kSocket), 0);
}

// A receiver takes each pidfd for another process. In the host's pid namespace, with startContainer hooks, the process
// waits for minirun at two gates.
TEST_F(ExecEngine, PidfdIsSentOnceByAProcessOfTwoGates) {
  bundle_.drop_namespace("pid");
  bundle_.config["hooks"]["startContainer"] = {{{"path", "/bin/payload"}, {"args", {"payload", "true"}}}};
  start();
  UniqueFd listener = listen_at(kSocket, SOCK_STREAM);
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = nowhere.get();
  Outcome outcome = exec({"-d", "--pidfd-socket", kSocket}, {"/bin/payload", "pause"}, options);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_TRUE(receive_descriptor(listener.get()));
  pollfd second{listener.get(), POLLIN, 0};
  EXPECT_EQ(poll(&second, 1, 0), 0) << "a second connection";
  end();
  EXPECT_EQ(unlink(kSocket), 0);
}

TEST_F(ExecEngine, PreservedDescriptorsAndNoOthersArrive) {
  start();
  StartOptions options;
  options.in_child = [] {
    for (int fd = 3; fd < 6; ++fd)
      if (int null = open("/dev/null", O_RDWR); null != fd && dup2(null, fd) < 0) _exit(97);
  };
  for (int count = 0; count < 3; ++count) {
    Outcome outcome = exec({"--preserve-fds", std::to_string(count)}, {"/bin/payload", "report"}, options);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    json fds = json::parse(outcome.out, nullptr, false)["fds"];
    EXPECT_EQ(fds.size(), 3U + static_cast<size_t>(count)) << fds;
  }
  end();
}

TEST_F(ExecEngine, StdinIsTheCallers) {
  if (!bundle_.add_busybox({"cat"})) GTEST_SKIP() << "no busybox";
  start();
  Input input;
  input.line("through");
  input.close();
  Outcome outcome = exec({}, {"/bin/cat"}, input.options());
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out, "through\n");
  end();
}

TEST_F(ExecEngine, CgroupIsBelowTheContainersAndThere) {
  start();
  for (const auto& [path, text] :
       {std::pair{"nothere", "--cgroup nothere"}, std::pair{"cpu:x", "cgroup v1"}, std::pair{"..", "--cgroup"},
        std::pair{"../..", "--cgroup"}, std::pair{"x/../..", "--cgroup"}}) {
    Outcome outcome = exec({"--cgroup", path}, {"/bin/payload", "true"});
    EXPECT_EQ(outcome.code, 255) << path << describe(outcome);
    EXPECT_NE(outcome.err.find(text), std::string::npos) << describe(outcome);
  }
  EXPECT_EQ(exec({"--cgroup", "/"}, {"/bin/payload", "true"}).code, 0);
  end();
}

// As systemd in a container and a delegated cgroup have them.
TEST_F(ExecEngine, CgroupBelowTheContainersIsJoined) {
  start();
  std::string own = content("/proc/" + std::to_string(container_pid()) + "/cgroup");
  std::string folder = "/sys/fs/cgroup" + own.substr(own.rfind("0::") + 3);
  ASSERT_EQ(mkdir((folder + "/jobs").c_str(), 0755) | mkdir((folder + "/jobs/one").c_str(), 0755), 0) << folder;
  for (const auto& [name, seen] : {std::pair{"jobs", "0::/jobs\n"}, std::pair{"/jobs/one", "0::/jobs/one\n"},
                                   std::pair{"jobs/one/", "0::/jobs/one\n"}}) {
    Outcome outcome = exec({"--cgroup", name}, {"/bin/payload", "files", "/proc/self/cgroup"});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_TRUE(outcome.out.ends_with(seen)) << outcome.out;
  }
  Outcome outcome = exec({"--cgroup", "jobs/two"}, {"/bin/payload", "true"});
  EXPECT_EQ(outcome.code, 255) << describe(outcome);
  end();
}

TEST_F(ExecEngine, SeccompProfileHoldsForItToo) {
  if (!bundle_.add_busybox({"cat", "mkdir"})) GTEST_SKIP() << "no busybox";
  bundle_.config["linux"]["seccomp"] = {
      {"defaultAction", "SCMP_ACT_ALLOW"},
      {"syscalls", {{{"names", {"mkdir", "mkdirat"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 1}}}}};
  start();
  Outcome outcome = exec({}, {"/bin/cat", "/proc/self/status"});
  EXPECT_EQ(status_line(outcome.out, "Seccomp"), "2") << describe(outcome);
  outcome = exec({}, {"/bin/mkdir", "/tmp/refused"});
  EXPECT_EQ(outcome.code, 1) << describe(outcome);
  EXPECT_NE(outcome.err.find("not permitted"), std::string::npos) << describe(outcome);
  end();
}

TEST_F(ExecEngine, CreateSendsAPidfdAndPassesDescriptorsOn) {
  bundle_.payload({"pause"});
  bundle_.write();
  UniqueFd listener = listen_at(kSocket, SOCK_STREAM);
  UniqueFd nowhere(open("/dev/null", O_RDWR | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = nowhere.get();
  options.in_child = [] {
    for (int fd = 3; fd < 6; ++fd)
      if (int null = open("/dev/null", O_RDWR); null != fd && dup2(null, fd) < 0) _exit(97);
  };
  Outcome outcome = call({"create", "--bundle", bundle_.path(), "--pid-file", kPidFile, "--pidfd-socket", kSocket,
                          "--preserve-fds=2", "--no-pivot", id()},
                         options);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  UniqueFd pidfd = receive_descriptor(listener.get());
  std::string pid = std::to_string(container_pid());
  std::string info = content("/proc/self/fdinfo/" + std::to_string(pidfd.get()));
  EXPECT_NE((info + "\n").find("Pid:\t" + pid + "\n"), std::string::npos) << info;
  EXPECT_EQ(call({"start", id()}).code, 0);
  EXPECT_EQ(link_target("/proc/" + pid + "/fd/3"), "/dev/null");
  EXPECT_EQ(link_target("/proc/" + pid + "/fd/4"), "/dev/null");
  EXPECT_NE(link_target("/proc/" + pid + "/fd/5"), "/dev/null");
  end();
  EXPECT_EQ(unlink(kSocket), 0);
}

// As with the peers: what a CPU manager or systemd has pinned the engine to is not the container's.
TEST_F(ExecEngine, CallersCpusAreNotInherited) {
  cpu_set_t own;
  ASSERT_EQ(sched_getaffinity(0, sizeof own, &own), 0);
  if (CPU_COUNT(&own) < 2) GTEST_SKIP() << "one CPU";
  if (!bundle_.add_busybox({"cat"})) GTEST_SKIP() << "no busybox";
  auto cpus_of = [](const std::string& status) { return status_line(status, "Cpus_allowed_list"); };
  std::string all = cpus_of(content("/proc/self/status"));
  int first = 0;
  while (!CPU_ISSET(first, &own)) first++;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  start();
  Outcome outcome = exec({}, {"/bin/cat", "/proc/self/status"});
  Outcome pinned = Running({"/bin/cat", "/proc/self/status"}, StartOptions()).finish();
  EXPECT_EQ(sched_setaffinity(0, sizeof own, &own), 0);
  EXPECT_EQ(cpus_of(pinned.out), std::to_string(first)) << "the caller is pinned";
  EXPECT_EQ(cpus_of(outcome.out), all) << describe(outcome);
  std::string init = std::to_string(container_pid());
  EXPECT_EQ(cpus_of(content("/proc/" + init + "/status")), all);
  std::string workload = content("/proc/" + init + "/task/" + init + "/children");
  workload.erase(workload.find_last_not_of(" \n") + 1);
  EXPECT_EQ(cpus_of(content("/proc/" + workload + "/status")), all) << workload;
  end();
}

TEST_F(ExecEngine, ACapabilityMoreIsEffective) {
  start();
  Outcome outcome = exec({"--cap", "CAP_SYS_CHROOT"}, {"/bin/payload", "report"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  json more = json::parse(outcome.out, nullptr, false);
  json less = json::parse(exec({}, {"/bin/payload", "report"}).out, nullptr, false);
  EXPECT_NE(more["cap_effective"], less["cap_effective"]) << more["cap_effective"];
  EXPECT_EQ(more["cap_effective"], more["cap_bounding"]);
  end();
}

// CVE-2022-29162: never inheritable. Ambient only where the container's process could inherit it already, as in runc.
TEST_F(ExecEngine, ACapabilityMoreIsInheritedOnlyWhereItWasInheritable) {
  bundle_.config["process"]["capabilities"]["inheritable"] = {"CAP_KILL"};
  bundle_.config["process"]["capabilities"]["bounding"] = {"CAP_KILL"};
  start();
  Outcome outcome = exec({"--cap", "CAP_KILL", "--cap", "CAP_CHOWN", "--user", "33"}, {"/bin/payload", "report"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  json seen = json::parse(outcome.out, nullptr, false);
  const json kill = "0000000000000020";
  for (const char* set : {"cap_inheritable", "cap_ambient", "cap_effective", "cap_permitted"})
    EXPECT_EQ(seen[set], kill) << set;
  EXPECT_EQ(seen["cap_bounding"], "0000000000000021");
  EXPECT_NE(outcome.err.find("warning: --cap CAP_CHOWN: is not in the inheritable set"), std::string::npos)
      << describe(outcome);
  EXPECT_EQ(outcome.err.find("CAP_KILL"), std::string::npos) << describe(outcome);
  end();
}

TEST_F(ExecEngine, ACapabilityThatIsNoneIsAWarning) {
  start();
  Outcome outcome = exec({"--cap", "CAP_OF_TOMORROW"}, {"/bin/payload", "exit", "7"});
  EXPECT_EQ(outcome.code, 7) << describe(outcome);
  EXPECT_NE(outcome.err.find("warning: --cap \"CAP_OF_TOMORROW\": is not a capability that this build knows"),
            std::string::npos)
      << describe(outcome);
  end();
}

// What `podman exec -u 0` sends for a container with --user and --cap-add.
TEST_F(ExecEngine, AmbientOnesThatCannotBeRaisedAreAWarning) {
  start();
  json process = bundle_.config["process"];
  process["args"] = {"/bin/payload", "exit", "7"};
  process["capabilities"]["ambient"] = {"CAP_KILL"};
  std::string file = bundle_.path() + "/process";
  write_new_file(file, process.dump(), 0644);
  Outcome outcome = exec({"--process", file}, {});
  EXPECT_EQ(outcome.code, 7) << describe(outcome);
  EXPECT_NE(outcome.err.find("warning: /process/capabilities/ambient: CAP_KILL is not in"), std::string::npos)
      << describe(outcome);
  end();
}

}  // namespace
}  // namespace minirun::testing
