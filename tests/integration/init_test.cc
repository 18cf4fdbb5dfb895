// SPDX-License-Identifier: Apache-2.0
// The tiny init: PID 1 of the container unless --no-init.
#include <unistd.h>

#include <csignal>
#include <sstream>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Init : public MinirunTest {};

TEST_F(Init, WorkloadIsItsChild) {
  Bundle bundle;
  json seen = report(bundle);
  EXPECT_EQ(seen["pid"], 2);
  EXPECT_EQ(seen["ppid"], 1);
}

TEST_F(Init, NoInitMakesTheWorkloadPid1) {
  Bundle bundle;
  json seen = report(bundle, {"--no-init"});
  EXPECT_EQ(seen["pid"], 1);
  EXPECT_EQ(seen["ppid"], 0);
}

TEST_F(Init, ReapsAThousandOrphans) {  // 100,000 of them: tests/load
  Bundle bundle;
  bundle.payload({"orphans", "1000"});
  Outcome outcome = Running(run_command(bundle), {}).finish(60000);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out, "zombies 0\n");
}

TEST_F(Init, EndsWithTheWorkloadThoughOthersLive) {
  Bundle bundle;
  bundle.payload({"leave-child"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out, "left\n");
}

// Its code, its frame, and one page more if that lies across two. It frees the rest once the workload runs.
TEST_F(Init, TakesAtMost12KibOfMemory) {
  Bundle bundle;
  bundle.payload({"pause"});
  std::string rollup;
  auto is_small = [&] {
    rollup = content("/proc/" + std::to_string(container_pid()) + "/smaps_rollup");
    const size_t pss = rollup.find("\nPss:");
    return pss != std::string::npos && atoi(rollup.c_str() + pss + 5) <= 12;
  };
  Running container(run_command(bundle, {"--pid-file", kPidFile}), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  EXPECT_TRUE(eventually(is_small)) << rollup;
  container.send(SIGTERM);
  EXPECT_EQ(container.finish().code, 128 + SIGTERM);
  ASSERT_EQ(detach(bundle, {"--pid-file", kPidFile}).code, 0);
  EXPECT_TRUE(eventually(is_small)) << rollup;
  EXPECT_EQ(call({"kill", id(), "TERM"}).code, 0);
  EXPECT_EQ(call({"wait", id()}).code, 128 + SIGTERM);
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(Init, HasTheWorkloadsIdsAndNoMoreCapabilities) {
  Bundle bundle;
  bundle.config["process"]["user"] = {{"uid", 33}, {"gid", 33}};
  bundle.payload({"files", "/proc/1/status"});
  Outcome outcome = run(bundle);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.out.find("Uid:\t33\t33\t33\t33"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("CapBnd:\t0000000008000421"), std::string::npos) << outcome.out;
}

TEST_F(Init, KeepsNoDescriptorOfTheHost) {
  Bundle bundle;
  if (!bundle.add_busybox({"ls"})) GTEST_SKIP() << "no busybox";
  bundle.config["process"]["args"] = {"/bin/ls", "-l", "/proc/1/fd"};
  for (const char* capability : {"CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"}) bundle.add_capability(capability);
  Outcome outcome = run(bundle);
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) {
    // Its own pidfds, signalfds and sockets are no way to the host; a file or folder would be.
    EXPECT_EQ(line.find("-> /run"), std::string::npos) << line;
    EXPECT_EQ(line.find("-> /sys/fs/cgroup"), std::string::npos) << line;
    EXPECT_EQ(line.find("-> / "), std::string::npos) << line;
  }
}

TEST_F(Init, ContainerEndsWhenItIsKilled) {
  Bundle bundle;
  bundle.payload({"pause"});
  Running container(run_command(bundle, {"--pid-file", kPidFile}), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  ASSERT_EQ(kill(container_pid(), SIGKILL), 0);
  Outcome outcome = container.finish();
  EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
  EXPECT_NE(outcome.err, "");
}

}  // namespace
}  // namespace minirun::testing
