// SPDX-License-Identifier: Apache-2.0
// Signals sent to minirun reach the workload; how a workload ends comes back. Foreground run.
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/fixture.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

class Signals : public MinirunTest {};

TEST_F(Signals, DefaultActionEndsAWorkloadThatDoesNotHandleThem) {
  for (int signal : {SIGTERM, SIGHUP, SIGINT, SIGUSR1}) {
    Bundle bundle;
    bundle.payload({"pause"});
    Running container(run_command(bundle), {});
    ASSERT_TRUE(container.wait_for("ready")) << container.err();
    container.send(signal);
    Outcome outcome = container.finish();
    EXPECT_EQ(outcome.code, 128 + signal) << describe(outcome);
  }
}

TEST_F(Signals, WorkloadDecidesItsStatus) {
  Bundle bundle;
  bundle.payload({"exit-on", std::to_string(SIGTERM), "3"});
  Running container(run_command(bundle), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  container.send(SIGTERM);
  Outcome outcome = container.finish();
  EXPECT_EQ(outcome.code, 3) << describe(outcome);
}

TEST_F(Signals, KillingMinirunTakesTheContainerAlong) {
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    Bundle bundle;
    bundle.payload({"pause"});
    std::vector<std::string> with_pid_file = flags;
    with_pid_file.insert(with_pid_file.end(), {"--pid-file", kPidFile});
    Running container(run_command(bundle, with_pid_file), {});
    ASSERT_TRUE(container.wait_for("ready")) << container.err();
    pid_t pid = container_pid();
    container.send(SIGKILL);
    EXPECT_EQ(container.finish().code, -SIGKILL);
    EXPECT_TRUE(eventually([&] { return kill(pid, 0) != 0; })) << "the container lives on";
    // Its cgroup and state can only go by a later command.
    Outcome outcome = call({"delete", "--force", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    unlink(kPidFile);
  }
}

TEST_F(Signals, KillingMinirunTakesASetuidWorkloadAlong) {  // whose parent-death signal went with its exec
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(chmod((bundle.rootfs() + "/bin/payload").c_str(), 04755), 0);
  bundle.config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
  bundle.config["process"]["noNewPrivileges"] = false;
  Running container(run_command(bundle, {"--no-init", "--pid-file", kPidFile}), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  pid_t pid = container_pid();
  container.send(SIGKILL);
  EXPECT_EQ(container.finish().code, -SIGKILL);
  EXPECT_TRUE(eventually([&] { return kill(pid, 0) != 0; })) << "the container lives on";
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  unlink(kPidFile);
}

TEST_F(Signals, IgnoredByTheCallerIsNotIgnoredByMinirun) {
  // nohup and background jobs of plain shells start programs with SIGINT or SIGHUP ignored.
  Bundle bundle;
  bundle.payload({"exit-on", std::to_string(SIGUSR2), "8"});
  StartOptions options;
  options.in_child = [] {
    (void)std::signal(SIGCHLD, SIG_IGN);
    (void)std::signal(SIGPIPE, SIG_IGN);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, nullptr);
  };
  Running container(run_command(bundle), options);
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  container.send(SIGUSR2);
  Outcome outcome = container.finish();
  EXPECT_EQ(outcome.code, 8) << describe(outcome);
}

}  // namespace
}  // namespace minirun::testing
