// SPDX-License-Identifier: Apache-2.0
// exec --tree, --timeout, --cpu-time: a process and all that it has started end together.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>

#include "tests/support/exec_fixture.h"
#include "tests/support/rootless_fixture.h"
#include "tests/support/scaled_time.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using Words = std::vector<std::string>;

constexpr const char* kOrphans =
    "(setsid sh -c 'trap \"\" TERM; while :; do (setsid sleep 100 &); sleep 0.1; done' &); ";

class ExecDeadline : public ExecTest {
 protected:
  void SetUp() override {
    ExecTest::SetUp();
    if (!bundle_.add_busybox({"sh", "sleep", "setsid"})) GTEST_SKIP() << "no busybox";
  }
  std::string cgroup() const { return "/sys/fs/cgroup/minirun-" + id(); }
  // Cgroups of execs below the container's.
  size_t trees() const {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(cgroup()))
      if (entry.path().filename().string().starts_with("minirun-exec-")) ++count;
    return count;
  }
  std::string processes() const { return call({"ps", id(), "--format", "json"}).out; }
  void expect_only_the_container() const {
    std::string before = before_;
    EXPECT_TRUE(eventually([&] { return processes() == before; })) << processes() << before;
    EXPECT_EQ(trees(), 0U);
  }
  void start_and_look(const Words& payload = {"pause"}) {
    start(payload);
    before_ = processes();
  }
  Outcome shell(const Words& flags, const std::string& script) { return exec(flags, {"/bin/sh", "-c", script}); }
  std::string before_;
};

TEST_F(ExecDeadline, TreeEndsWithItsProcess) {
  for (bool pid_namespace : {true, false}) {
    if (!pid_namespace) bundle_.drop_namespace("pid");
    ASSERT_NO_FATAL_FAILURE(start_and_look());
    Outcome outcome = shell({"--tree"}, std::string(kOrphans) + "exit 6");
    EXPECT_EQ(outcome.code, 6) << describe(outcome);
    EXPECT_EQ(outcome.err, "");
    expect_only_the_container();
    end();
  }
}

TEST_F(ExecDeadline, TimeoutEndsTheTree) {
  ASSERT_NO_FATAL_FAILURE(start_and_look());
  Outcome outcome =
      shell({"--timeout", scaled(600), "--grace", "200ms"}, kOrphans + std::string("trap '' TERM; kill -STOP $$"));
  EXPECT_EQ(outcome.code, 124) << describe(outcome);
  EXPECT_EQ(outcome.err, "minirun: exec " + id() + ": timed out after " + scaled(600) +
                             " (--timeout); killed, as it did not end within 200ms of its stop "
                             "signal\n");
  expect_only_the_container();
  outcome = shell({"--timeout", scaled(600)}, kOrphans + std::string("exec sleep 100"));
  EXPECT_EQ(outcome.code, 124) << describe(outcome);
  expect_only_the_container();
  EXPECT_EQ(shell({"--timeout", "1h", "--cpu-time", "1h"}, "exit 4").code, 4);
  end();
}

TEST_F(ExecDeadline, CpuTimeIsThatOfTheTree) {
  ASSERT_NO_FATAL_FAILURE(start_and_look());
  Outcome outcome = shell({"--cpu-time", "400ms", "--grace", "0"}, "while :; do /bin/payload burn 0.01; done");
  EXPECT_EQ(outcome.code, 124) << describe(outcome);
  EXPECT_EQ(outcome.err, "minirun: exec " + id() + ": has used 400ms of CPU time (--cpu-time); killed\n");
  expect_only_the_container();
  end();
}

TEST_F(ExecDeadline, TreeEndsWithMinirun) {
  ASSERT_NO_FATAL_FAILURE(start_and_look());
  Running executed(
      exec_command({"--timeout", "1h"}, {"/bin/sh", "-c", std::string(kOrphans) + "echo ready; sleep 100"}), {});
  ASSERT_TRUE(executed.wait_for("ready")) << executed.err();
  EXPECT_EQ(trees(), 1U);
  executed.send(SIGKILL);
  EXPECT_EQ(executed.finish().code, -SIGKILL);
  std::string before = before_;
  EXPECT_TRUE(eventually([&] { return processes() == before; })) << processes();
  end();  // with the empty cgroup
}

TEST_F(ExecDeadline, HoldsInAContainerThatIsPausedMeanwhile) {
  ASSERT_NO_FATAL_FAILURE(start_and_look());
  Running executed(
      exec_command({"--timeout", scaled(1000), "--grace", "300ms"}, {"/bin/sh", "-c", "echo ready; sleep 100"}), {});
  ASSERT_TRUE(executed.wait_for("ready")) << executed.err();
  ASSERT_EQ(call({"pause", id()}).code, 0);
  EXPECT_EQ(executed.finish().code, 124);
  EXPECT_EQ(trees(), 0U);
  EXPECT_EQ(call({"resume", id()}).code, 0);  // the deadline of an exec lets nothing else go on
  end();
}

TEST_F(ExecDeadline, IsRefusedWhereTheTreeCouldLeaveItsCgroup) {
  Outcome outcome;
  auto refused = [&](const std::string& why) {
    outcome = exec({"--timeout", scaled(1000)}, {"/bin/payload", "true"});
    EXPECT_EQ(outcome.code, 255) << describe(outcome);
    EXPECT_NE(outcome.err.find(why), std::string::npos) << outcome.err;
    end();
  };
  nlohmann::json whole = bundle_.config;
  bundle_.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev"});
  ASSERT_NO_FATAL_FAILURE(start());
  refused("its mount /sys/fs/cgroup is writable");
  bundle_.config = whole;
  bundle_.add_capability("CAP_SYS_ADMIN");
  ASSERT_NO_FATAL_FAILURE(start());
  refused("it has CAP_SYS_ADMIN");
  bundle_.config = whole;
  bundle_.payload({"pause"});
  bundle_.write();
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = options.stderr_fd = nowhere.get();
  Words words = {"--cgroup-manager", "disabled", "run", "--detach", "--bundle", bundle_.path(), id()};
  ASSERT_EQ(Running(minirun(words), options).finish().code, 0);
  refused("the container has none");
}

TEST_F(ExecDeadline, BadUsesAreRefused) {
  ASSERT_NO_FATAL_FAILURE(start_and_look());
  for (const Words& flags : {Words{"--timeout", "0"},
                             {"--timeout", "5"},
                             {"--cpu-time", "-1s"},
                             {"--grace", "1s"},
                             {"--detach", "--tree"},
                             {"--detach", "--timeout", scaled(1000)},
                             {"--tree", "--cgroup", "/x"}}) {
    Outcome outcome = exec(flags, {"/bin/payload", "true"});
    EXPECT_EQ(outcome.code, 255) << describe(outcome);
    EXPECT_NE(outcome.err.find(flags[flags[0] == "--detach" ? 1 : 0]), std::string::npos) << outcome.err;
  }
  expect_only_the_container();
  end();
}

class RootlessExecDeadline : public RootlessTest {};

TEST_F(RootlessExecDeadline, HoldsInADelegatedCgroup) {
  ASSERT_NO_FATAL_FAILURE(delegate_cgroup());
  Bundle bundle;
  ASSERT_NO_FATAL_FAILURE(make_rootless(bundle, {"pause"}));
  ASSERT_EQ(user_run(bundle, {"--detach"}).code, 0);
  Outcome outcome =
      user_minirun({"exec", "--timeout", scaled(600), "--grace", "0", "mine", "/bin/payload", "exit-on", "10", "0"});
  EXPECT_EQ(outcome.code, 124) << describe(outcome);
  EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).code, 0);
}

}  // namespace
}  // namespace minirun::testing
