// SPDX-License-Identifier: Apache-2.0
// minirun kill: to the first process, to all of them, and to a container that is not there.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Kill : public MinirunTest {
 protected:
  std::string cgroup() const { return "/sys/fs/cgroup/minirun-" + id(); }
  std::vector<std::string> pids() const {
    std::istringstream lines(content(cgroup() + "/cgroup.procs"));
    std::vector<std::string> found;
    for (std::string line; std::getline(lines, line);)
      if (line != "(none)") found.push_back(line);
    return found;
  }
  static char state_of(const std::string& pid) {
    std::string stat = content("/proc/" + pid + "/stat");
    size_t end = stat.rfind(')');
    return end + 2 < stat.size() ? stat[end + 2] : '?';
  }
  std::string status() const { return json::parse(call({"state", id()}).out)["status"]; }
  // A container without a pid namespace whose first process has ended and left another one behind.
  void leave_somebody(Bundle& bundle) {
    bundle.payload({"leave-child"});
    bundle.drop_namespace("pid");
    ASSERT_EQ(detach(bundle).code, 0);
    ASSERT_TRUE(eventually([&] { return status() == "stopped"; }));
    ASSERT_EQ(pids().size(), 1U);
  }
};

TEST_F(Kill, TakesEverySpellingOfASignal) {
  for (const char* signal : {"15", "TERM", "SIGTERM", "term", "sigterm", "RTMIN+3", "SIGRTMAX-1", "rtmin", "9"}) {
    Bundle bundle;
    bundle.payload({"pause"});
    ASSERT_EQ(detach(bundle).code, 0);
    Outcome outcome = call({"kill", id(), signal});
    EXPECT_EQ(outcome.code, 0) << signal << ": " << describe(outcome);
    EXPECT_EQ(outcome.out + outcome.err, "");
    EXPECT_TRUE(eventually([&] { return status() == "stopped"; })) << signal;
    EXPECT_EQ(call({"delete", id()}).code, 0);
  }
}

TEST_F(Kill, IsTermWhenNoSignalIsNamed) {
  Bundle bundle;
  bundle.payload({"signals", std::to_string(SIGTERM)});
  Running container(run_command(bundle), {});
  ASSERT_TRUE(container.wait_for("ready"));
  EXPECT_EQ(call({"kill", id()}).code, 0);
  EXPECT_EQ(container.finish().out, "ready\ngot 15\n");
}

TEST_F(Kill, ZeroOnlyLooks) {
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle).code, 0);
  EXPECT_EQ(call({"kill", id(), "0"}).code, 0);
  EXPECT_EQ(call({"kill", "--all", id(), "0"}).code, 0);
  EXPECT_EQ(status(), "running");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  expect_refused(call({"kill", id(), "0"}), {"container does not exist"});
}

TEST_F(Kill, AllReachesEachProcessOnce) {
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    Bundle bundle;
    bundle.payload({"signals", std::to_string(SIGTERM)});
    Running container(run_command(bundle, flags), {});
    ASSERT_TRUE(container.wait_for("ready"));
    Outcome outcome = call({"kill", "--all", id(), "USR1"});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    ASSERT_TRUE(container.wait_for("got 10"));
    EXPECT_EQ(call({"kill", "-a", id(), "RTMIN+1"}).code, 0);
    ASSERT_TRUE(container.wait_for("got 35"));
    EXPECT_EQ(call({"kill", id(), "15"}).code, 0);
    EXPECT_EQ(container.finish().out, "ready\ngot 10\ngot 35\ngot 15\n");
  }
}

// It holds a descriptor for each process. One that it could not open was left out, and the rest was success.
TEST_F(Kill, AllIsAllOrAnError) {
  Bundle bundle;
  bundle.payload({"pause"});
  bundle.write();
  std::vector<std::string> args = {"--cgroup-manager", "disabled", "run", "--detach", "--bundle", bundle.path(), id()};
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = nowhere.get();
  Outcome started = call(args, options);
  ASSERT_EQ(started.code, 0) << describe(started);
  for (int i = 0; i < 24; ++i) ASSERT_EQ(call({"exec", "--detach", id(), "/bin/payload", "pause"}, options).code, 0);
  rlim_t descriptors = 4;
  StartOptions few;
  few.in_child = [&descriptors] {
    const rlimit limit{descriptors, descriptors};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(97);
  };
  while (descriptors < 100 && call({"kill", "--all", id(), "0"}, few).code != 0) ++descriptors;
  Outcome killed = call({"kill", "--all", id(), "TERM"}, few);
  EXPECT_EQ(killed.code, 0) << describe(killed);
  auto left = [&]() -> size_t {
    Outcome listed = call({"ps", "--format", "json", id()});
    return listed.code == 0 ? json::parse(listed.out).size() : 0;  // its first process may have ended, too
  };
  EXPECT_TRUE(eventually([&] { return left() <= 2; }))
      << left() << " with " << descriptors << " descriptors: " << describe(killed);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Kill, AllWorksWhenTheFirstProcessIsDead) {
  Bundle bundle;
  ASSERT_NO_FATAL_FAILURE(leave_somebody(bundle));
  expect_refused(call({"kill", id(), "TERM"}), {"container not running: no such process"});
  EXPECT_EQ(call({"kill", "-a", id(), "15"}).code, 0);
  EXPECT_TRUE(eventually([&] { return pids().empty(); }));
  expect_refused(call({"kill", "--all", id(), "9"}), {"container not running: no such process"});
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(Kill, KillReachesAllWhereThereIsNoPidNamespace) {
  Bundle bundle;
  ASSERT_NO_FATAL_FAILURE(leave_somebody(bundle));
  EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
  EXPECT_TRUE(eventually([&] { return pids().empty(); }));
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(Kill, StopAndContinueAreForTheWorkloadNotItsInit) {
  Bundle bundle;
  bundle.payload({"signals", std::to_string(SIGTERM)});
  Running container(run_command(bundle, {"--pid-file", kPidFile}), {});
  ASSERT_TRUE(container.wait_for("ready"));
  std::string init = std::to_string(container_pid());
  auto workload_is = [&](char state) {
    for (const std::string& pid : pids())
      if (pid != init) return state_of(pid) == state;
    return false;
  };
  EXPECT_EQ(call({"kill", id(), "STOP"}).code, 0);
  EXPECT_TRUE(eventually([&] { return workload_is('T'); }));
  EXPECT_NE(state_of(init), 'T');
  EXPECT_EQ(call({"kill", id(), "CONT"}).code, 0);
  EXPECT_TRUE(eventually([&] { return workload_is('S'); }));
  ASSERT_TRUE(container.wait_for("got 18"));
  EXPECT_EQ(call({"kill", id()}).code, 0);
  EXPECT_EQ(container.finish().out, "ready\ngot 18\ngot 15\n");
}

TEST_F(Kill, WrongUsesAreTold) {
  expect_refused(call({"kill", "never-was", "9"}), {"kill never-was", "container does not exist"});
  expect_refused(call({"kill", "never-was", "NOSUCH"}), {"unknown signal \"NOSUCH\""});
  expect_refused(call({"kill", "../x", "9"}), {"invalid container id"});
  EXPECT_EQ(call({"kill"}).code, 1);
  EXPECT_EQ(call({"kill", "--nosuchflag", "x"}).code, 1);
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle).code, 0);
  for (const char* bad : {"65", "-1", "RTMIN+99", "RTMAX+1", "SIG", "TERM "})
    EXPECT_EQ(call({"kill", id(), bad}).code, 1) << bad;
  EXPECT_EQ(status(), "running");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

// conmon and containerd kill what may be half made.
TEST_F(Kill, OfAContainerThatIsOnlyADirectoryIsNotRunning) {
  make_folders(std::string(kState) + "/" + id());
  expect_refused(call({"kill", id(), "9"}), {"container not running: no such process"});
  expect_refused(call({"kill", "--all", id(), "9"}), {"container not running: no such process"});
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

// Its workload may run before its record says so: the lock is held until then.
TEST_F(Kill, OneThatIsBeingMadeIsWaitedFor) {
  std::string folder = std::string(kState) + "/" + id();
  for (const char* command : {"kill", "stop"}) {
    make_folders(folder);
    UniqueFd state(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_EQ(syscall(SYS_flock, state.get(), LOCK_EX), 0);
    Running waiting(minirun({command, id()}), {});
    usleep(200000);
    std::string stat = content("/proc/" + std::to_string(waiting.pid()) + "/stat");
    EXPECT_EQ(stat.find(") Z "), std::string::npos) << command << ": " << stat;
    ASSERT_EQ(syscall(SYS_flock, state.get(), LOCK_UN), 0);
    expect_refused(waiting.finish(), {"container not running"});
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  }
}

// As in runc: no process exists yet that could react, and an engine that stops it should not wait in vain.
TEST_F(Kill, OfACreatedContainerEndsIt) {
  for (const char* signal : {"TERM", "INT", "HUP", "QUIT"}) {
    Bundle bundle;
    bundle.payload({"true"});
    bundle.write();
    UniqueFd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions options;
    options.stdout_fd = null.get();
    options.stderr_fd = null.get();
    ASSERT_EQ(call({"create", "--bundle", bundle.path(), id()}, options).code, 0);
    EXPECT_EQ(call({"kill", id(), signal}).code, 0);
    EXPECT_TRUE(eventually([&] {
      return call({"state", id()}).out.find("\"stopped\"") != std::string::npos;
    })) << signal;
    expect_refused(call({"start", id()}), {"cannot start a container that has stopped"});
    EXPECT_EQ(call({"delete", id()}).code, 0);
  }
}

// A container may make cgroups below its own: deeper than a path can be long.
TEST_F(Kill, AllIsNotHeldUpByCgroupsThatTheContainerMade) {
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle).code, 0);
  UniqueFd folder(open(("/sys/fs/cgroup/minirun-" + id()).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int depth = 0; depth < 17; ++depth) {
    std::string name(250, static_cast<char>('a' + depth));
    ASSERT_EQ(mkdirat(folder.get(), name.c_str(), 0755), 0) << depth;
    folder.reset(openat(folder.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  folder.reset();
  Outcome outcome = call({"kill", "--all", id(), "KILL"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_TRUE(eventually([&] { return call({"state", id()}).out.find("\"stopped\"") != std::string::npos; }));
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

}  // namespace
}  // namespace minirun::testing
