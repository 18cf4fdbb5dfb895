// SPDX-License-Identifier: Apache-2.0
// Processes that do not end as others do: delete --force ends all that the kernel lets it end, waits for no more than
// its time, and names the processes that stay, and why.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <sstream>

#include "tests/support/fixture.h"
#include "tests/support/hung_filesystem.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using Clock = std::chrono::steady_clock;

// A process outside of the container that holds one in it: at its end too (PTRACE_O_TRACEEXIT), or it leaves it as a
// zombie.
class OutsideTracer {
 public:
  OutsideTracer(pid_t tracee, int options) : pid_(fork()) {
    if (pid_ != 0) {
      EXPECT_TRUE(eventually([&] { return state_of(tracee) == 't'; }));
      return;
    }
    if (ptrace(PTRACE_SEIZE, tracee, nullptr, options) != 0) _exit(1);
    if (ptrace(PTRACE_INTERRUPT, tracee, nullptr, nullptr) != 0) _exit(1);
    for (;;) pause();
  }
  ~OutsideTracer() { end(); }
  OutsideTracer(const OutsideTracer&) = delete;
  OutsideTracer& operator=(const OutsideTracer&) = delete;

  pid_t pid() const { return pid_; }
  void end() {
    if (pid_ <= 0) return;
    (void)kill(pid_, SIGKILL);
    (void)waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  static char state_of(pid_t pid) {
    std::string stat = content(fmt::format("/proc/{}/stat", pid));
    size_t end = stat.rfind(')');
    return end == std::string::npos || end + 2 >= stat.size() ? '?' : stat[end + 2];
  }

 private:
  pid_t pid_;
};

class HardToKill : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    bundle_.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev"});
  }
  std::string cgroup() const { return "/sys/fs/cgroup/minirun-" + id(); }
  std::vector<pid_t> pids() const {
    std::istringstream lines(content(cgroup() + "/cgroup.procs"));
    std::vector<pid_t> found;
    for (pid_t pid = 0; lines >> pid;) found.push_back(pid);
    std::sort(found.begin(), found.end());
    return found;
  }
  void start(const std::vector<std::string>& kinds, const std::vector<std::string>& flags = {}) {
    std::string ready = bundle_.rootfs() + "/tmp/ready";
    (void)unlink(ready.c_str());
    std::vector<std::string> args = {"stubborn"};
    args.insert(args.end(), kinds.begin(), kinds.end());
    bundle_.payload(args);
    Outcome outcome = detach(bundle_, flags);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    ASSERT_TRUE(eventually([&] { return access(ready.c_str(), F_OK) == 0; }));
  }
  // Within the time, in seconds.
  Outcome remove(int most) const {
    auto began = Clock::now();
    Outcome outcome = call({"delete", "--force", id()});
    EXPECT_LT(Clock::now() - began, std::chrono::seconds(most * slowness())) << describe(outcome);
    return outcome;
  }
  void expect_removed(int most = 5) const {
    Outcome outcome = remove(most);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.err, "");
    EXPECT_NE(access(cgroup().c_str(), F_OK), 0);
    expect_refused(call({"state", id()}), {"container does not exist"});
  }
  Bundle bundle_;
};

TEST_F(HardToKill, StoppedTracedVforkedAndNestedOnesAreAllKilled) {
  const std::vector<std::string> all = {"stopped", "traced", "vfork", "nested", "cwd"};
  for (const std::string& kind : all) {
    SCOPED_TRACE(kind);
    start({kind});
    expect_removed();
    // The workload itself as the first process, and without a pid namespace whose end would be everybody's.
    start({kind}, {"--no-init"});
    expect_removed();
  }
  bundle_.drop_namespace("pid");
  start(all);
  EXPECT_GT(pids().size(), 8U);
  expect_removed();
  start(all, {"--no-init"});
  expect_removed();
}

TEST_F(HardToKill, ForegroundRunIsEndedToo) {
  bundle_.payload({"stubborn", "stopped", "traced", "vfork", "nested", "cwd"});
  Running container(run_command(bundle_), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  expect_removed();
  EXPECT_EQ(container.finish().code, 128 + SIGKILL) << container.err();
}

TEST_F(HardToKill, WhoIsHeldByATracerOutsideIsNamedAndGoesWithIt) {
  bundle_.drop_namespace("pid");
  start({});
  std::vector<pid_t> inside = pids();
  ASSERT_EQ(inside.size(), 2U);
  OutsideTracer tracer(inside.back(), PTRACE_O_TRACEEXIT);
  expect_refused(remove(20),
                 {"delete " + id() + ": remove cgroup /minirun-" + id() + ": still in use by ",
                  fmt::format("pid {} (payload, t", inside.back()), fmt::format(") traced by pid {}", tracer.pid())});
  // Nothing is forgotten.
  EXPECT_EQ(call({"list", "-q"}).out, id() + "\n");
  tracer.end();
  expect_removed();
}

// A zombie that its tracer does not take note of keeps the first process of its pid namespace.
TEST_F(HardToKill, ZombieOfATracerOutsideIsNamedAndGoesWithIt) {
  start({});
  std::vector<pid_t> inside = pids();
  ASSERT_EQ(inside.size(), 2U);
  OutsideTracer tracer(inside.back(), 0);
  expect_refused(remove(20), {"delete " + id() + ": does not end after SIGKILL: ",
                              fmt::format("pid {} (payload, Z) traced by pid {}", inside.back(), tracer.pid())});
  EXPECT_EQ(call({"list", "-q"}).out, id() + "\n");
  tracer.end();
  expect_removed();
}

// A tracer learns of a process's end first, and may never reap it.
TEST_F(HardToKill, ExecEndsThoughATracerKeepsItsProcess) {
  start({});
  std::vector<pid_t> before = pids();
  Running exec(minirun({"exec", id(), "/bin/payload", "pause"}), {});
  ASSERT_TRUE(exec.wait_for("ready")) << exec.err();
  pid_t pid = 0;
  for (pid_t inside : pids())
    if (std::find(before.begin(), before.end(), inside) == before.end()) pid = inside;
  ASSERT_GT(pid, 0);
  OutsideTracer tracer(pid, 0);
  ASSERT_EQ(kill(pid, SIGKILL), 0);
  Outcome outcome = exec.finish(10000);
  EXPECT_EQ(outcome.code, 137) << describe(outcome);
  EXPECT_EQ(OutsideTracer::state_of(pid), 'Z');
  tracer.end();
  expect_removed();
}

TEST_F(HardToKill, WhoWaitsInTheKernelIsNamedAndStaysKnown) {
  if (!HungFilesystem::is_possible()) GTEST_SKIP() << "no FUSE";
  HungFilesystem hung(bundle_.path() + "/hung");
  bundle_.add_mount("/hung", "", bundle_.path() + "/hung", {"bind"});
  bundle_.payload({"opens", "r:/hung/file"});
  ASSERT_EQ(detach(bundle_).code, 0);
  pid_t waits = 0;
  ASSERT_TRUE(eventually([&] {
    for (pid_t pid : pids())
      if (hung.is_waited_for_by(pid)) waits = pid;
    return waits != 0;
  }));
  expect_refused(remove(20),
                 {"delete " + id() + ": does not end after SIGKILL: ", fmt::format("pid {} (", waits), ", D"});
  EXPECT_EQ(OutsideTracer::state_of(waits), 'D');
  EXPECT_EQ(call({"list", "-q"}).out, id() + "\n");
  hung.abort();
  expect_removed();
}

// The same on the way to a container: minirun does not wait for ever, and what it cannot take away can be found.
TEST_F(HardToKill, LaunchThatHangsCanBeGivenUp) {
  if (!HungFilesystem::is_possible()) GTEST_SKIP() << "no FUSE";
  HungFilesystem hung(bundle_.path() + "/hung");
  bundle_.add_mount("/hung", "", bundle_.path() + "/hung", {"bind"});
  bundle_.add_mount("/hung/deeper", "tmpfs", "tmpfs");
  bundle_.payload({"true"});
  Running launch(run_command(bundle_), {});
  ASSERT_TRUE(eventually([&] {
    std::vector<pid_t> inside = pids();
    return inside.size() == 1 && hung.is_waited_for_by(inside[0]);
  })) << launch.err();
  launch.send(SIGTERM);
  Outcome outcome = launch.finish(40000);
  EXPECT_NE(outcome.code, kTimedOut) << describe(outcome);
  EXPECT_NE(outcome.code, 0) << describe(outcome);
  for (const char* part : {"still in use by pid", ", D", "delete --force removes what is left"})
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  EXPECT_EQ(call({"list", "-q"}).out, id() + "\n");
  hung.abort();
  expect_removed();
}

}  // namespace
}  // namespace minirun::testing
