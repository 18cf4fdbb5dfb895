// SPDX-License-Identifier: Apache-2.0
// run --detach with a deadline: the process that keeps the time, and what becomes of the container without it.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "sys/pipe.h"
#include "tests/support/descriptors.h"
#include "tests/support/fixture.h"
#include "tests/support/rootless_fixture.h"
#include "tests/support/scaled_time.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

class KeptDeadline : public MinirunTest {
 protected:
  std::string cgroup() const { return "/sys/fs/cgroup/minirun-" + id(); }
  std::string status() const { return json::parse(call({"state", id()}).out).value("status", ""); }
  bool empty() const { return content(cgroup() + "/cgroup.events").find("populated 0") != std::string::npos; }
  std::vector<pid_t> keepers() const {
    std::vector<pid_t> pids;
    auto record = json::parse(content(std::string(kState) + "/" + id() + "/state.json"));
    for (const json& keeper : record.value("keepers", json::array())) pids.push_back(keeper["pid"].get<pid_t>());
    return pids;
  }
  void start(const Words& flags, const Words& payload = {"stubborn"}) {
    std::string ready = bundle_.rootfs() + "/tmp/ready";
    (void)unlink(ready.c_str());
    bundle_.payload(payload);
    Outcome outcome = detach(bundle_, flags);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    if (payload[0] == "stubborn") {
      ASSERT_TRUE(eventually([&] { return access(ready.c_str(), F_OK) == 0; }));
    }
  }
  static bool is_there(pid_t pid) { return kill(pid, 0) == 0; }
  void end() {
    std::vector<pid_t> pids = keepers();
    Outcome removed = call({"delete", "--force", id()});
    EXPECT_EQ(removed.code, 0) << describe(removed);
    for (pid_t pid : pids) EXPECT_TRUE(eventually([&] { return !is_there(pid); }));
  }
  Bundle bundle_;
};

TEST_F(KeptDeadline, EndsTheContainerAndIsRecorded) {
  for (const Words& more : {Words{}, {"--no-init"}}) {
    Words flags = {"--timeout", scaled(700), "--grace", "200ms"};
    flags.insert(flags.end(), more.begin(), more.end());
    ASSERT_NO_FATAL_FAILURE(start(flags, {"stubborn", "stopped", "traced"}));
    EXPECT_EQ(keepers().size(), 2U);
    EXPECT_EQ(call({"wait", id()}).code, 124);
    EXPECT_EQ(status(), "stopped");
    EXPECT_TRUE(empty());
    for (pid_t pid : keepers()) EXPECT_TRUE(eventually([&] { return !is_there(pid); }));
    EXPECT_EQ(call({"wait", id()}).code, 124);
    end();
  }
  ASSERT_NO_FATAL_FAILURE(start({"--cpu-time", "400ms", "--grace", "0"}, {"burn", "60"}));
  EXPECT_EQ(call({"wait", id()}).code, 124);
  end();
}

TEST_F(KeptDeadline, OfOneThatEndsInTimeLeavesItsStatus) {
  ASSERT_NO_FATAL_FAILURE(start({"--timeout", "1h"}, {"exit", "9"}));
  EXPECT_EQ(call({"wait", id()}).code, 9);
  end();
}

TEST_F(KeptDeadline, WithoutOneNoProcessStays) {
  ASSERT_NO_FATAL_FAILURE(start({}));
  EXPECT_TRUE(keepers().empty());
  end();
}

// Whichever of both is killed, and with the init's parent-death signal of no help.
TEST_F(KeptDeadline, EndsTheContainerWhenOneOfItsKeepersIsKilled) {
  for (bool pid_namespace : {true, false}) {
    if (!pid_namespace) bundle_.drop_namespace("pid");
    for (size_t victim : {0U, 1U}) {
      for (const Words& flags : {Words{"--timeout", "1h"}, {"--cpu-time", "1h", "--no-init"}}) {
        ASSERT_NO_FATAL_FAILURE(start(flags, {"stubborn", "stopped"}));
        std::vector<pid_t> pids = keepers();
        ASSERT_EQ(pids.size(), 2U);
        ASSERT_EQ(kill(pids[victim], SIGKILL), 0);
        EXPECT_TRUE(eventually([&] { return access(cgroup().c_str(), F_OK) != 0 || empty(); }));
        EXPECT_TRUE(eventually([&] { return status() == "stopped"; }));
        for (pid_t pid : pids) EXPECT_TRUE(eventually([&] { return !is_there(pid); }));
        end();
      }
    }
  }
}

TEST_F(KeptDeadline, IsKeptWhileTheKeeperIsStopped) {
  ASSERT_NO_FATAL_FAILURE(start({"--timeout", scaled(1000), "--grace", "200ms"}));
  std::vector<pid_t> pids = keepers();
  ASSERT_EQ(pids.size(), 2U);
  ASSERT_EQ(kill(pids[0], SIGSTOP), 0);
  EXPECT_TRUE(eventually([&] { return empty(); }, 10000));
  end();
}

TEST_F(KeptDeadline, GoesWithEveryEnd) {
  for (const Words& command :
       {Words{"stop", "--timeout", "0", id()}, {"kill", id(), "KILL"}, {"delete", "--force", id()}}) {
    ASSERT_NO_FATAL_FAILURE(start({"--timeout", "1h"}));
    std::vector<pid_t> pids = keepers();
    Outcome outcome = call(command);
    EXPECT_TRUE(outcome.code == 0 || outcome.code == 137) << describe(outcome);
    for (pid_t pid : pids) EXPECT_TRUE(eventually([&] { return !is_there(pid); })) << command[0];
    if (command[0] != "delete") end();
  }
  // With a record that says nothing of it, too.
  ASSERT_NO_FATAL_FAILURE(start({"--timeout", "1h"}));
  std::vector<pid_t> pids = keepers();
  ASSERT_EQ(truncate((std::string(kState) + "/" + id() + "/state.json").c_str(), 20), 0);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  for (pid_t pid : pids) EXPECT_TRUE(eventually([&] { return !is_there(pid); }));
}

TEST_F(KeptDeadline, HoldsNothingOfItsCallers) {
  bundle_.payload({"stubborn"});
  bundle_.write();
  Pipe leaked = make_pipe().value(), events = make_pipe().value();
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = options.stderr_fd = nowhere.get();
  options.in_child = [&] {
    (void)dup2(leaked.writer.get(), 20);
    (void)dup2(events.writer.get(), 30);
  };
  Outcome outcome =
      Running(minirun({"run", "--detach", "--timeout", "1h", "--status-fd", "30", "--bundle", bundle_.path(), id()}),
              options)
          .finish();
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  leaked.writer.reset();
  events.writer.reset();
  char text[4096];
  EXPECT_EQ(read(leaked.reader.get(), text, sizeof text), 0);  // else it waits for ever
  while (read(events.reader.get(), text, sizeof text) > 0) {
  }
  EXPECT_EQ(link_target("/proc/" + std::to_string(keepers().at(0)) + "/fd/1"), "/dev/null");
  EXPECT_EQ(link_target("/proc/" + std::to_string(keepers().at(1)) + "/fd/1"), "(none)");
  EXPECT_EQ(link_target("/proc/" + std::to_string(keepers().at(0)) + "/cwd"), "/");
  end();
}

TEST_F(KeptDeadline, AFailureIsThatOfTheCommand) {
  bundle_.config["process"]["args"] = {"/no/such/program"};
  Outcome outcome = detach(bundle_, {"--timeout", "1h"});
  EXPECT_EQ(outcome.code, 127) << describe(outcome);
  bundle_.payload({"true"});
  UniqueFd manager = listen_at("/run/tests/manager", SOCK_DGRAM);
  StartOptions options;
  options.env.emplace_back("NOTIFY_SOCKET=/run/tests/manager");
  outcome = run(bundle_, {"--detach", "--timeout", "1h"}, options);
  EXPECT_EQ(outcome.code, 1) << describe(outcome);
  EXPECT_NE(outcome.err.find("NOTIFY_SOCKET"), std::string::npos) << outcome.err;
  EXPECT_EQ(unlink("/run/tests/manager"), 0);
}

TEST_F(KeptDeadline, AnIdThatIsMadeUpIsPrinted) {
  bundle_.payload({"stubborn"});
  bundle_.write();
  UniqueFd out(open("/run/tests/said", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  StartOptions options;
  options.stdout_fd = options.stderr_fd = out.get();
  ASSERT_EQ(Running(minirun({"run", "-d", "--timeout", "1h", "--bundle", bundle_.path()}), options).finish().code, 0);
  std::string said;
  ASSERT_TRUE(eventually([&] { return (said = content("/run/tests/said")).size() >= 12; })) << said;
  Outcome listed = call({"list", "-q"});
  EXPECT_NE(said.find(listed.out.substr(0, 12)), std::string::npos) << said;
  EXPECT_EQ(call({"delete", "--force", listed.out.substr(0, 12)}).code, 0);
  EXPECT_EQ(unlink("/run/tests/said"), 0);
}

class RootlessKeptDeadline : public RootlessTest {};

TEST_F(RootlessKeptDeadline, HoldsWithAndWithoutACgroup) {
  Bundle bundle;
  ASSERT_NO_FATAL_FAILURE(make_rootless(bundle, {"exit-on", "10", "0"}));
  for (bool cgroup : {false, true}) {
    if (cgroup) {
      ASSERT_NO_FATAL_FAILURE(delegate_cgroup());
    }
    Outcome outcome = user_run(bundle, {"--detach", "--timeout", scaled(700), "--grace", "200ms"});
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(user_minirun({"wait", "mine"}).code, 124);
    EXPECT_EQ(user_minirun({"delete", "mine"}).code, 0);
    outcome = user_run(bundle, {"--detach", "--timeout", "1h"});
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).code, 0);
  }
}

}  // namespace
}  // namespace minirun::testing
