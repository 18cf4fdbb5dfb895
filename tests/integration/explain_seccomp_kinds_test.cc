// SPDX-License-Identifier: Apache-2.0
// run --explain-seccomp in each kind of container, under load, and when minirun or the process that counts is killed.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include "sys/process_stat.h"
#include "tests/support/fixture.h"
#include "tests/support/refused_call.h"
#include "tests/support/rootless_fixture.h"
#include "tests/support/scaled_time.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

const std::string kRefused = " once with ENOTTY  <- /linux/seccomp/syscalls/0";

json refuse_mkdirat() {
  return {{"defaultAction", "SCMP_ACT_ALLOW"},
          {"syscalls",
           {{{"names", {"mkdirat"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", ENOTTY}},
            {{"names", {"personality"}}, {"action", "SCMP_ACT_KILL_PROCESS"}}}}};
}

// The child of the process with this name; -1: none.
pid_t child_named(pid_t parent, const std::string& name) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    auto stat = read_stat(static_cast<pid_t>(std::stol(pid)));
    if (!stat.ok() || stat->find("(" + name + ")") == std::string::npos) continue;
    if (stat_field(*stat, kStatParent) == static_cast<uint64_t>(parent)) return static_cast<pid_t>(std::stol(pid));
  }
  return -1;
}

// User and system time, in ticks.
uint64_t cpu_ticks(pid_t pid) {
  constexpr int kUserTime = 14, kSystemTime = 15;
  auto stat = read_stat(pid);
  return stat.ok() ? stat_field(*stat, kUserTime).value_or(0) + stat_field(*stat, kSystemTime).value_or(0) : 0;
}

class ExplainSeccompKinds : public MinirunTest {
 protected:
  ExplainSeccompKinds() { bundle_.config["linux"]["seccomp"] = refuse_mkdirat(); }
  void expect_explained(const Words& flags = {}) {
    bundle_.payload({"refused", "as", "clerk"});
    Words all = {"--explain-seccomp"};
    all.insert(all.end(), flags.begin(), flags.end());
    Outcome outcome = run(bundle_, all);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.out, "errno " + std::to_string(ENOTTY) + "\n");
    EXPECT_NE(outcome.err.find("refused mkdirat to \"clerk\"" + kRefused), std::string::npos) << outcome.err;
    bundle_.payload({"syscall", "135", "0xffffffff"});
    outcome = run(bundle_, all);
    EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
    EXPECT_NE(outcome.err.find("its seccomp filter killed it"), std::string::npos) << outcome.err;
  }
  Bundle bundle_;
};

TEST_F(ExplainSeccompKinds, NewUserNamespace) {
  bundle_.add_user_namespace();
  for (const Words& flags : {Words{}, {"--no-init"}}) expect_explained(flags);
}

TEST_F(ExplainSeccompKinds, JoinedNamespaces) {
  for (bool user : {false, true}) {
    Bundle pod;
    if (user) pod.add_user_namespace();
    pod.payload({"pause"});
    ASSERT_EQ(detach(pod, {"--pid-file", kPidFile}).code, 0);
    const std::string of_pod = "/proc/" + std::to_string(container_pid()) + "/ns/";
    Bundle joins;
    joins.config["linux"]["seccomp"] = refuse_mkdirat();
    if (user) {
      joins.add_user_namespace();
      joins.join_namespace("user", of_pod + "user");
      joins.config["linux"].erase("uidMappings");
      joins.config["linux"].erase("gidMappings");
    }
    joins.join_namespace("pid", of_pod + "pid");
    joins.payload({"refused", "as", "clerk"});
    joins.write();
    Words command = {"run", "--explain-seccomp", "--bundle", joins.path(), "other"};
    Outcome outcome = call(command);
    EXPECT_EQ(outcome.out, "errno " + std::to_string(ENOTTY) + "\n") << describe(outcome);
    EXPECT_EQ(outcome.err, "minirun: other: seccomp refused mkdirat to \"clerk\"" + kRefused + "\n");
    joins.payload({"syscall", "135", "0xffffffff"});
    joins.write();
    outcome = call(command);
    EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
    EXPECT_NE(outcome.err.find("its seccomp filter killed it"), std::string::npos) << outcome.err;
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    EXPECT_EQ(unlink(kPidFile), 0);
  }
}

TEST_F(ExplainSeccompKinds, ManyCallsAtOnceEndOnTime) {
  bundle_.payload({"refused", "flood", "4"});
  for (const Words& flags : {Words{}, {"--no-init"}}) {
    Words all = {"--explain-seccomp"};
    all.insert(all.end(), flags.begin(), flags.end());
    Running container(run_command(bundle_, all), {});
    ASSERT_TRUE(container.wait_for("ready")) << container.err();
    EXPECT_EQ(call({"state", id()}).code, 0);
    const bool init = flags.empty();
    // minirun still hears it. A PID 1 without a handler ignores it.
    if (init)
      container.send(SIGTERM);
    else
      EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
    Outcome outcome = container.finish();
    EXPECT_EQ(outcome.code, 128 + (init ? SIGTERM : SIGKILL)) << describe(outcome);
    EXPECT_NE(outcome.err.find("refused mkdirat to other programs"), std::string::npos) << outcome.err;
  }
}

TEST_F(ExplainSeccompKinds, NothingSpinsWhileNothingIsRefused) {
  bundle_.payload({"pause"});
  Running container(run_command(bundle_, {"--explain-seccomp"}), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  pid_t counter = child_named(container.pid(), "minirun-seccomp");
  ASSERT_GT(counter, 0);
  const uint64_t before = cpu_ticks(counter) + cpu_ticks(container.pid());
  usleep(500000);
  EXPECT_LE(cpu_ticks(counter) + cpu_ticks(container.pid()), before + 5);
  container.send(SIGKILL);
  (void)container.finish();
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

// Of a process that minirun may not kill.
TEST_F(ExplainSeccompKinds, WhatCannotBeKilledIsRefused) {
  bundle_.payload({"syscall", "135", "0xffffffff"});
  StartOptions options;
  options.in_child = [] { refuse_call(SYS_pidfd_send_signal, EPERM); };
  Outcome outcome = run(bundle_, {"--explain-seccomp"}, options);
  EXPECT_EQ(outcome.out, "-1 " + std::to_string(EPERM) + "\n") << describe(outcome);
  EXPECT_NE(outcome.err.find("refused personality to \"payload\" once with EPERM  <- /linux/seccomp/syscalls/1"),
            std::string::npos)
      << outcome.err;
}

// exec has a filter of its own.
TEST_F(ExplainSeccompKinds, ExecIsRefusedAndNotCounted) {
  bundle_.payload({"pause"});
  Running container(run_command(bundle_, {"--explain-seccomp"}), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  Outcome outcome = call({"exec", id(), "/bin/payload", "refused", "as", "clerk"});
  EXPECT_EQ(outcome.out, "errno " + std::to_string(ENOTTY) + "\n") << describe(outcome);
  EXPECT_EQ(call({"exec", id(), "/bin/payload", "syscall", "135", "0xffffffff"}).code, 128 + SIGSYS);
  container.send(SIGTERM);
  outcome = container.finish();
  EXPECT_NE(outcome.err.find("seccomp refused no call\n"), std::string::npos) << outcome.err;
}

// The kernel answers then, and the container's end comes from minirun's death.
TEST_F(ExplainSeccompKinds, ContainerEndsWithAMinirunThatIsKilled) {
  for (const Words& flags : {Words{}, {"--no-init"}}) {
    bundle_.payload({"refused", "flood", "2"});
    Words all = {"--explain-seccomp", "--pid-file", kPidFile};
    all.insert(all.end(), flags.begin(), flags.end());
    Running container(run_command(bundle_, all), {});
    ASSERT_TRUE(container.wait_for("ready")) << container.err();
    const pid_t pid = container_pid(), counter = child_named(container.pid(), "minirun-seccomp");
    ASSERT_GT(counter, 0);
    container.send(SIGKILL);
    (void)container.finish();
    EXPECT_TRUE(eventually([&] { return kill(pid, 0) != 0 && kill(counter, 0) != 0; }, 10000));
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    EXPECT_EQ(unlink(kPidFile), 0);
  }
}

TEST_F(ExplainSeccompKinds, CallsAreStillRefusedWhenTheCounterIsKilled) {
  bundle_.config["process"]["args"] = {"/bin/busybox", "sh", "-c", "echo ready; read x; mkdir /made || echo refused"};
  if (!bundle_.add_busybox({"sh", "mkdir"})) GTEST_SKIP() << "no busybox";
  bundle_.config["root"]["readonly"] = false;
  bundle_.config["linux"]["seccomp"]["syscalls"][0]["names"] = {"mkdir", "mkdirat"};
  int input[2];
  ASSERT_EQ(pipe2(input, O_CLOEXEC), 0);
  UniqueFd reader(input[0]), writer(input[1]);
  StartOptions options;
  options.stdin_fd = reader.get();
  Running container(run_command(bundle_, {"--explain-seccomp"}), options);
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  const pid_t counter = child_named(container.pid(), "minirun-seccomp");
  ASSERT_EQ(kill(counter, SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return kill(counter, 0) != 0; }, 10000));
  ASSERT_EQ(write(writer.get(), "\n", 1), 1);
  Outcome outcome = container.finish();
  EXPECT_NE(outcome.out.find("refused"), std::string::npos) << describe(outcome);
  EXPECT_NE(access((bundle_.rootfs() + "/made").c_str(), F_OK), 0);
  EXPECT_NE(outcome.err.find("the process that counted them"), std::string::npos) << outcome.err;
}

class RootlessExplainSeccomp : public RootlessTest {};

TEST_F(RootlessExplainSeccomp, SaysTheSame) {
  Bundle bundle;
  make_rootless(bundle, {"refused", "as", "clerk"});
  bundle.config["linux"]["seccomp"] = refuse_mkdirat();
  for (const Words& flags : {Words{"--explain-seccomp"}, {"--explain-seccomp", "--no-init"}}) {
    Outcome outcome = user_run(bundle, flags);
    EXPECT_EQ(outcome.out, "errno " + std::to_string(ENOTTY) + "\n") << describe(outcome);
    EXPECT_EQ(outcome.err, "minirun: mine: seccomp refused mkdirat to \"clerk\"" + kRefused + "\n");
  }
  bundle.payload({"syscall", "135", "0xffffffff"});
  Outcome outcome = user_run(bundle, {"--explain-seccomp"});
  EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
  EXPECT_NE(outcome.err.find("its seccomp filter killed it"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace minirun::testing
