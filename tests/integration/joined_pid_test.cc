// SPDX-License-Identifier: Apache-2.0
// Containers that join a pid namespace by path: their process begins outside of it and comes there as its last act
// (docs/security.md, "Processes within a container's reach"). All else is as in any container.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/fixture.h"
#include "tests/support/scaled_time.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class JoinedPid : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    pod_.payload({"pause"});
    ASSERT_EQ(detach(pod_, {"--pid-file", kPidFile}).code, 0);
    joined_ = "/proc/" + std::to_string(container_pid()) + "/ns/pid";
    other_.join_namespace("pid", joined_);
  }
  void TearDown() override {
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    MinirunTest::TearDown();
  }

  Outcome other(const std::vector<std::string>& payload, const std::vector<std::string>& flags = {}) {
    other_.payload(payload);
    other_.write();
    std::vector<std::string> args = {"run", "--bundle", other_.path()};
    args.insert(args.end(), flags.begin(), flags.end());
    args.emplace_back("other");
    return flags.empty() ? call(args) : quietly(args);
  }
  // Of what goes on writing when minirun has ended.
  Outcome quietly(const std::vector<std::string>& args) const {
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions options;
    options.stdout_fd = nowhere.get();
    return call(args, options);
  }
  json state_of_other() {
    Outcome outcome = call({"state", "other"});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    return json::parse(outcome.out, nullptr, false);
  }
  void remove_other() { EXPECT_EQ(call({"delete", "--force", "other"}).code, 0); }
  std::string pid_namespace_of(int pid) { return link_target("/proc/" + std::to_string(pid) + "/ns/pid"); }

  Bundle pod_, other_;
  std::string joined_;
};

TEST_F(JoinedPid, SeesItsProcessesAndHasNoInit) {
  json seen = json::parse(other({"report"}).out);
  EXPECT_EQ(seen["namespaces"]["pid"], link_target(joined_));
  Outcome links = other({"files", "/dev/fd/../status"});
  EXPECT_EQ(links.code, 0) << describe(links) << ": /proc/self and /dev/fd are the workload's";
  other_.config["linux"]["sysctl"] = {{"net.ipv4.ip_default_ttl", "77"}, {"kernel.msgmax", "12345"}};
  Outcome sysctls = other({"files", "/proc/sys/net/ipv4/ip_default_ttl", "/proc/sys/kernel/msgmax"});
  EXPECT_EQ(sysctls.out, "77\n12345\n") << describe(sysctls);
  other_.config["process"]["oomScoreAdj"] = 321;
  EXPECT_EQ(other({"files", "/proc/self/oom_score_adj"}).out, "321\n");
}

// The hook is itself a process that waits for no hooks.
TEST_F(JoinedPid, StartContainerHookRunsUnderAFilter) {
  other_.config["process"]["noNewPrivileges"] = true;
  other_.config["linux"]["seccomp"] = {
      {"defaultAction", "SCMP_ACT_ALLOW"},
      {"syscalls", {{{"names", {"swapon"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 13}}}}};
  other_.config["hooks"]["startContainer"] = json::array({{{"path", "/bin/payload"}, {"args", {"payload", "true"}}}});
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--detach"}}) {
    Outcome outcome = other({"true"}, flags);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    if (!flags.empty()) remove_other();
  }
}

// Its pid namespace goes on: minirun finds by the cgroup what the container started there.
TEST_F(JoinedPid, DeadlineEndsAllOfIt) {
  const std::vector<std::string> payload = {"stubborn", "stopped", "vfork"};
  Outcome outcome = other(payload, {"--timeout", scaled(600), "--grace", "200ms"});
  EXPECT_EQ(outcome.code, 124) << describe(outcome);
  outcome = other(payload, {"--detach", "--timeout", scaled(600), "--grace", "200ms"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(call({"wait", "other"}).code, 124);
  EXPECT_NE(content("/sys/fs/cgroup/minirun-other/cgroup.events").find("populated 0"), std::string::npos);
  remove_other();
  outcome = other(payload, {"--detach", "--cpu-time", "1h"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  json record = json::parse(content(std::string(kState) + "/other/state.json"));
  ASSERT_EQ(record["keepers"].size(), 2U);
  ASSERT_EQ(kill(record["keepers"][0]["pid"].get<pid_t>(), SIGKILL), 0);
  EXPECT_TRUE(eventually([&] { return state_of_other()["status"] == "stopped"; }));
  remove_other();
}

TEST_F(JoinedPid, StateAndPidFileHaveTheProcessThatIsInThere) {
  const std::string file = "/run/tests/other.pid";
  for (const std::string init : {"--no-init", ""}) {
    std::vector<std::string> flags = {"--detach", "--pid-file", file};
    if (!init.empty()) flags.push_back(init);
    Outcome outcome = other({"pause"}, flags);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    json state = state_of_other();
    EXPECT_EQ(state["status"], "running");
    EXPECT_EQ(pid_namespace_of(state["pid"]), link_target(joined_));
    EXPECT_EQ(content(file), std::to_string(state["pid"].get<int>()));
    EXPECT_EQ(link_target("/proc/" + content(file) + "/exe"), "/bin/payload");
    EXPECT_EQ(call({"exec", "other", "/bin/payload", "true"}).code, 0);
    EXPECT_EQ(call({"kill", "other", "KILL"}).code, 0);
    EXPECT_TRUE(eventually([&] { return state_of_other()["status"] == "stopped"; }));
    remove_other();
    EXPECT_EQ(unlink(file.c_str()), 0);
  }
}

TEST_F(JoinedPid, WaitsForStartInThere) {
  for (bool filtered : {false, true}) {
    if (filtered)
      other_.config["linux"]["seccomp"] = {
          {"defaultAction", "SCMP_ACT_ALLOW"},
          {"syscalls", {{{"names", {"clone3"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 38}}}}};
    other_.payload({"pause"});
    other_.write();
    Outcome made = quietly({"create", "--bundle", other_.path(), "other"});
    ASSERT_EQ(made.code, 0) << describe(made);
    json state = state_of_other();
    EXPECT_EQ(state["status"], "created");
    EXPECT_EQ(pid_namespace_of(state["pid"]), link_target(joined_));
    std::string status = content("/proc/" + std::to_string(state["pid"].get<int>()) + "/status");
    EXPECT_NE(status.find(filtered ? "Seccomp:\t2" : "Seccomp:\t0"), std::string::npos) << status;
    EXPECT_EQ(call({"start", "other"}).code, 0);
    EXPECT_EQ(state_of_other()["pid"], state["pid"]);
    EXPECT_EQ(link_target("/proc/" + std::to_string(state["pid"].get<int>()) + "/exe"), "/bin/payload");
    remove_other();
  }
}

TEST_F(JoinedPid, StatusAndReasonsAreThoseOfAnyContainer) {
  EXPECT_EQ(other({"exit", "7"}).code, 7);
  other_.config["process"]["args"] = {"/bin/nothing"};
  other_.write();
  Outcome missing = call({"run", "--bundle", other_.path(), "other"});
  EXPECT_EQ(missing.code, 127) << describe(missing);
  EXPECT_NE(missing.err.find("/bin/nothing"), std::string::npos) << missing.err;
  Outcome created = call({"create", "--bundle", other_.path(), "other"});
  EXPECT_EQ(created.code, 127) << describe(created);
  EXPECT_NE(call({"state", "other"}).code, 0) << "nothing of it is left";
}

TEST_F(JoinedPid, HooksRunInTheirPlaces) {
  other_.config["hooks"]["startContainer"] = {{{"path", "/bin/payload"}, {"args", {"payload", "true"}}}};
  EXPECT_EQ(other({"true"}).code, 0);
  other_.config["hooks"]["startContainer"] = {{{"path", "/bin/payload"}, {"args", {"payload", "exit", "3"}}}};
  Outcome failed = other({"true"});
  EXPECT_EQ(failed.code, 1) << describe(failed);
  other_.config["hooks"] = {{"poststart", {{{"path", "/bin/false"}}}}};
  EXPECT_NE(other({"pause"}, {"--detach"}).code, 0);
  EXPECT_NE(call({"state", "other"}).code, 0) << "nothing of it is left";
}

}  // namespace
}  // namespace minirun::testing
