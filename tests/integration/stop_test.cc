// SPDX-License-Identifier: Apache-2.0
// minirun stop and minirun wait.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>

#include "sys/file.h"
#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Stop : public MinirunTest {
 protected:
  std::string cgroup() const { return "/sys/fs/cgroup/minirun-" + id(); }
  std::string status() const { return json::parse(call({"state", id()}).out)["status"]; }
  // A workload that hears signals, which it does some time after its exec, when run --detach has returned.
  void detach_until_ready(const Bundle& bundle) {
    constexpr const char* kSaid = "/run/tests/said";
    UniqueFd file(open(kSaid, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    StartOptions options;
    options.stdout_fd = file.get();
    ASSERT_EQ(run(bundle, {"--detach"}, options).code, 0);
    ASSERT_TRUE(eventually([] { return content(kSaid).find("ready") != std::string::npos; })) << content(kSaid);
    ASSERT_EQ(unlink(kSaid), 0);
  }
  void expect_ended_by_itself(const Outcome& outcome) {
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.out + outcome.err, "");
  }
  void expect_killed(const Outcome& outcome) {
    EXPECT_EQ(outcome.code, 137) << describe(outcome);
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find("minirun: stop " + id() + ": killed: "), std::string::npos) << outcome.err;
  }
};

class Wait : public Stop {
 protected:
  // So that what happens next is not missed.
  static bool holds_a_pidfd(pid_t pid) {
    // Before its exec it has those of this program; the kernel gives it its new name when it has closed them.
    if (content("/proc/" + std::to_string(pid) + "/comm") == content("/proc/self/comm")) return false;
    for (int fd = 3; fd < 16; fd++) {
      std::string target = link_target("/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd));
      if (target.find("pidfd") != std::string::npos) return true;
    }
    return false;
  }
  // Older kernels report it only until the process is reaped, which happens at once here.
  static bool kernel_tells_everybody() {
    utsname system{};
    int major = 0, minor = 0;
    EXPECT_EQ(uname(&system), 0);
    EXPECT_EQ(sscanf(system.release, "%d.%d", &major, &minor), 2) << system.release;
    return major > 6 || (major == 6 && minor >= 15);
  }
  static void expect_status(const Outcome& outcome, int status, const std::string& otherwise = "this kernel does not") {
    if (!kernel_tells_everybody() && outcome.code != status) {
      expect_refused(outcome, {otherwise, "exit status"});
      return;
    }
    EXPECT_EQ(outcome.code, status) << describe(outcome);
    EXPECT_EQ(outcome.out + outcome.err, "");
  }
};

TEST_F(Stop, EndsAContainerByItsTerm) {
  Bundle bundle;
  bundle.payload({"exit-on", std::to_string(SIGTERM), "6"});
  Running container(run_command(bundle), {});
  ASSERT_TRUE(container.wait_for("ready"));
  expect_ended_by_itself(call({"stop", id()}));
  EXPECT_EQ(container.finish().code, 6);
}

TEST_F(Stop, KillsWhatDoesNotEndInTimeAndSaysSo) {
  Bundle bundle;
  bundle.payload({"signals", "64"});
  Running container(run_command(bundle), {});
  ASSERT_TRUE(container.wait_for("ready"));
  auto start = std::chrono::steady_clock::now();
  Outcome outcome = call({"stop", "--timeout", "300ms", id()});
  auto took = std::chrono::steady_clock::now() - start;
  expect_killed(outcome);
  EXPECT_NE(outcome.err.find("within 300ms of TERM"), std::string::npos) << outcome.err;
  EXPECT_GE(took, std::chrono::milliseconds(300));
  Outcome run = container.finish();
  EXPECT_EQ(run.code, 128 + SIGKILL);
  EXPECT_NE(run.out.find("got 15"), std::string::npos) << run.out;
}

TEST_F(Stop, TimeoutOfZeroKillsAtOnce) {
  Bundle bundle;
  bundle.payload({"signals", "64"});
  ASSERT_NO_FATAL_FAILURE(detach_until_ready(bundle));
  expect_killed(call({"stop", "-t", "0", id()}));
  EXPECT_EQ(status(), "stopped");
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(Stop, SignalIsTheFlagsElseTheImages) {
  Bundle bundle;
  bundle.payload({"exit-on", std::to_string(SIGUSR1), "5"});
  bundle.config["annotations"] = {{"org.opencontainers.image.stopSignal", "SIGUSR1"}};
  {
    Running container(run_command(bundle), {});
    ASSERT_TRUE(container.wait_for("ready"));
    expect_ended_by_itself(call({"stop", id()}));
    EXPECT_EQ(container.finish().code, 5);
  }
  bundle.payload({"exit-on", std::to_string(SIGQUIT), "4"});
  Running container(run_command(bundle), {});
  ASSERT_TRUE(container.wait_for("ready"));
  expect_ended_by_itself(call({"stop", "--signal", "QUIT", id()}));
  EXPECT_EQ(container.finish().code, 4);
}

TEST_F(Stop, PausedContainerHearsItsSignal) {
  Bundle bundle;
  bundle.payload({"exit-on", std::to_string(SIGTERM), "6"});
  Running container(run_command(bundle), {});
  ASSERT_TRUE(container.wait_for("ready"));
  ASSERT_TRUE(write_control(AT_FDCWD, cgroup() + "/cgroup.freeze", "1").ok());
  ASSERT_TRUE(eventually([&] { return content(cgroup() + "/cgroup.events").find("frozen 1") != std::string::npos; }));
  expect_ended_by_itself(call({"stop", id()}));
  EXPECT_EQ(container.finish().code, 6);
}

TEST_F(Stop, LeavesNobodyBehindWithoutAPidNamespace) {
  Bundle bundle;
  if (!bundle.add_busybox({"sh", "sleep"})) GTEST_SKIP() << "no busybox";
  bundle.drop_namespace("pid");
  bundle.config["process"]["args"] = {"/bin/sh", "-c", "sleep 1000 & trap 'exit 3' TERM; echo ready; wait"};
  Running container(run_command(bundle, {"--keep"}), {});
  ASSERT_TRUE(container.wait_for("ready"));
  expect_ended_by_itself(call({"stop", id()}));
  EXPECT_EQ(container.finish().code, 3);
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(Stop, WrongUsesAreTold) {
  expect_refused(call({"stop", "never-was"}), {"stop never-was", "container does not exist"});
  EXPECT_EQ(call({"stop"}).code, 1);
  EXPECT_EQ(call({"stop", "--nosuchflag", "x"}).code, 1);
  Bundle bundle;
  bundle.payload({"pause"});
  bundle.config["annotations"] = {{"org.opencontainers.image.stopSignal", "SIGNOTHING"}};
  ASSERT_EQ(detach(bundle).code, 0);
  expect_refused(call({"stop", "--timeout", "10", id()}), {"--timeout", "\"10\"", "10s"});
  expect_refused(call({"stop", "--timeout", "-1s", id()}), {"--timeout"});
  expect_refused(call({"stop", "--signal", "NOSUCH", id()}), {"--signal", "unknown signal"});
  expect_refused(call({"stop", id()}), {"org.opencontainers.image.stopSignal", "SIGNOTHING"});
  EXPECT_EQ(status(), "running");
  expect_ended_by_itself(call({"stop", "--signal", "9", id()}));
  expect_refused(call({"stop", "--signal", "9", id()}), {"container not running"});
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(Wait, ReturnsTheStatusOfAForegroundContainer) {
  Bundle bundle;
  bundle.payload({"exit-on", std::to_string(SIGTERM), "6"});
  Running container(run_command(bundle), {});
  ASSERT_TRUE(container.wait_for("ready"));
  Running waiting(minirun({"wait", id()}), {});
  ASSERT_TRUE(eventually([&] { return holds_a_pidfd(waiting.pid()); }));
  container.send(SIGTERM);
  EXPECT_EQ(container.finish().code, 6);
  expect_status(waiting.finish(), 6);
}

TEST_F(Wait, ReturnsTheStatusOfADetachedContainer) {
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    Bundle bundle;
    bundle.payload({"pause"});
    ASSERT_EQ(detach(bundle, flags).code, 0);
    Running waiting(minirun({"wait", id()}), {});
    ASSERT_TRUE(eventually([&] { return holds_a_pidfd(waiting.pid()); }));
    EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
    Outcome first = waiting.finish();
    expect_status(first, 128 + SIGKILL);
    if (first.code == 128 + SIGKILL)
      for (int again = 0; again < 2; ++again) expect_status(call({"wait", id()}), 128 + SIGKILL);
    EXPECT_EQ(call({"delete", id()}).code, 0);
  }
}

// As the first one has found it: by then the process has been reaped, and its status is nowhere else.
TEST_F(Wait, AfterAStopReturnsTheStatusToo) {
  for (const char* signal : {"TERM", "KILL"}) {
    Bundle bundle;
    bundle.payload({"exit-on", std::to_string(SIGTERM), "6"});
    ASSERT_NO_FATAL_FAILURE(detach_until_ready(bundle));
    EXPECT_EQ(call({"stop", "--signal", signal, id()}).code, 0);
    expect_status(call({"wait", id()}), std::string(signal) == "TERM" ? 6 : 128 + SIGKILL, "was not recorded");
    EXPECT_EQ(call({"delete", id()}).code, 0);
  }
}

// Its parent, as conmon is one, has not looked yet.
TEST_F(Wait, ReturnsTheStatusOfOneThatWaitsToBeReaped) {
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  Bundle bundle;
  bundle.payload({"exit", "7"});
  ASSERT_EQ(detach(bundle, {"--pid-file", kPidFile}).code, 0);
  pid_t pid = container_pid();
  Outcome outcome = call({"wait", id()});
  EXPECT_EQ(outcome.code, 7) << describe(outcome);
  EXPECT_EQ(call({"wait", id()}).code, 7);
  int wait_status = 0;
  EXPECT_EQ(waitpid(pid, &wait_status, 0), pid);
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(Wait, OfAKeptContainerAnswersAtOnce) {
  Bundle bundle;
  bundle.payload({"exit", "9"});
  EXPECT_EQ(run(bundle, {"--keep"}).code, 9);
  EXPECT_EQ(call({"wait", id()}).code, 9);
  EXPECT_EQ(call({"wait", id()}).code, 9);
  EXPECT_EQ(call({"delete", id()}).code, 0);
  bundle.payload({"die-by", std::to_string(SIGUSR1)});
  EXPECT_EQ(run(bundle, {"--keep"}).code, 128 + SIGUSR1);
  EXPECT_EQ(call({"wait", id()}).code, 128 + SIGUSR1);
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(Wait, WrongUsesAreTold) {
  expect_refused(call({"wait", "never-was"}), {"wait never-was", "container does not exist"});
  EXPECT_EQ(call({"wait"}).code, 1);
  EXPECT_EQ(call({"wait", "--nosuchflag", "x"}).code, 1);
  make_folders(std::string(kState) + "/" + id());
  expect_refused(call({"wait", id()}), {"container not running", "creating"});
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  Bundle bundle;
  bundle.payload({"true"});
  ASSERT_EQ(detach(bundle, {"--no-init"}).code, 0);  // an init would write it
  ASSERT_TRUE(eventually([&] { return status() == "stopped"; }));
  Outcome outcome;
  ASSERT_TRUE(eventually([&] { return (outcome = call({"wait", id()})).code == 1; }));
  EXPECT_NE(outcome.err.find("its exit status was not recorded"), std::string::npos) << outcome.err;
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

}  // namespace
}  // namespace minirun::testing
