// SPDX-License-Identifier: Apache-2.0
// A container with CAP_SYS_PTRACE makes its PID 1 do what it may not do itself.
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <set>

#include "tests/attacks/tracer_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class FirstProcess : public Attack {
 protected:
  // As docker's default: a filter, and no noNewPrivileges, so that CAP_SYS_ADMIN is on loan for loading it.
  void SetUp() override {
    Attack::SetUp();
    json& process = bundle_.config["process"];
    process["noNewPrivileges"] = false;
    process["capabilities"] = json::object();
    for (const char* set : {"bounding", "effective", "permitted"})
      process["capabilities"][set] = {"CAP_SYS_PTRACE", "CAP_KILL"};
    json rule = {{"names", {"getppid"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", ENOTTY}};
    bundle_.config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", {rule}}};
  }
  static std::string line(const std::string& text, const std::string& name) {
    size_t at = text.find("\n" + name + ":");
    return at == text.npos ? "(none)" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
  }
  // The text is that of /proc/PID/status.
  static void expect_nothing_on_loan(const std::string& status, const std::string& who) {
    for (const char* set : {"CapPrm", "CapEff"})
      EXPECT_EQ(line(status, set), std::string(set) + ":\t0000000000080020") << who;
    EXPECT_EQ(line(status, "Seccomp"), "Seccomp:\t2") << who;
  }
  void create(const std::vector<std::string>& flags) {
    bundle_.payload({"pause"});
    bundle_.write();
    std::vector<std::string> args = {"create", "--bundle", bundle_.path()};
    args.insert(args.end(), flags.begin(), flags.end());
    args.push_back(id());
    Outcome outcome = call(args);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
  }
  // What the tracer says of the page of its end, which the init of a container maps that outlives minirun.
  static std::string page_of(const std::string& container) {
    return "memory " + std::string(kState) + "/" + container + "/end";
  }
  static constexpr const char* kPayload = "/bin/payload";
  Bundle bundle_;
};

TEST_F(FirstProcess, HasNothingOnLoanWhenTheWorkloadRuns) {
  // In about half of the starts it kept CAP_SYS_ADMIN until after the workload's exec.
  bundle_.payload({"files", "/proc/1/status"});
  for (int round = rounds(); round > 0; round--) {
    Outcome outcome = run(bundle_);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    expect_nothing_on_loan(outcome.out, "PID 1");
    if (HasFailure()) break;
  }
}

TEST_F(FirstProcess, HasNothingOnLoanWhileItWaitsForStart) {
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--init"}}) {
    create(flags);
    Outcome outcome = exec({}, {kPayload, "files", "/proc/1/status"});
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    expect_nothing_on_loan(outcome.out, flags.empty() ? "PID 1 without an init" : "PID 1");
    if (!flags.empty()) {
      outcome = exec({}, {kPayload, "files", "/proc/2/status"});
      expect_nothing_on_loan(outcome.out, "the workload");
    }
    EXPECT_EQ(call({"start", id()}).code, 0);
    end();
  }
}

TEST_F(FirstProcess, HasNothingThatTheContainerHasNot) {
  bundle_.payload({"trace", "1"});
  Outcome outcome = run(bundle_);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(kinds(outcome.out), std::set<std::string>{"descriptor"}) << "the socket to minirun, " << outcome.out;
  bundle_.payload({"pause"});
  ASSERT_EQ(detach(bundle_).code, 0);
  outcome = exec({}, {kPayload, "trace", "1", page_of(id())});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out.find("attached 1 empty 0 before 1 findings 1 [memory "), 0U) << describe(outcome);
  end();
}

// What others may trace while a container waits has what the wait takes, and no more: procfs and namespaces that were
// opened on the way are closed.
TEST_F(FirstProcess, HasNothingMoreWhileItWaits) {
  Bundle other;
  start(other);
  const std::string net = "/proc/" + std::to_string(container_pid()) + "/ns/net";
  bundle_.config["process"]["oomScoreAdj"] = 100;
  bundle_.config["linux"]["sysctl"] = {{"kernel.shm_rmid_forced", "1"}};
  bundle_.config["linux"]["namespaces"].push_back({{"type", "time"}});
  bundle_.config["linux"]["timeOffsets"] = {{"monotonic", {{"secs", 100}}}};
  bundle_.join_namespace("network", net);
  json filter = bundle_.config["linux"]["seccomp"];
  for (bool filtered : {true, false})
    for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--init"}}) {
      bundle_.config["linux"].erase("seccomp");
      if (filtered) bundle_.config["linux"]["seccomp"] = filter;
      bundle_.payload({"pause"});
      bundle_.write();
      std::vector<std::string> args = {"create", "--bundle", bundle_.path(), "waiting"};
      args.insert(args.begin() + 1, flags.begin(), flags.end());
      ASSERT_EQ(call(args).code, 0);
      auto trace = [&](const std::vector<std::string>& words) {
        std::vector<std::string> exec = {"exec", "waiting", kPayload, "trace"};
        exec.insert(exec.end(), words.begin(), words.end());
        return call(exec);
      };
      const std::string name = std::string(kState) + "/waiting/gate";
      const std::string page = page_of("waiting");
      Outcome outcome = trace({"1", "descriptor socket", "descriptor /memfd:minirun-plan", "descriptor " + name, page});
      EXPECT_EQ(outcome.code, 0) << "filtered " << filtered << describe(outcome);
      EXPECT_EQ(outcome.out.find("attached 1 empty 0 before 1 "), 0U) << describe(outcome);
      struct stat facts {};
      EXPECT_TRUE(lstat(name.c_str(), &facts) == 0 && S_ISFIFO(facts.st_mode)) << "what is written there has no end";
      if (filtered && !flags.empty()) {
        outcome = trace({"2", page});  // it is in its init's memory until its exec
        EXPECT_EQ(outcome.code, 0) << describe(outcome);
        EXPECT_EQ(outcome.out.find("attached 1 empty 0 before 1 findings 1 [memory "), 0U) << describe(outcome);
      }
      EXPECT_EQ(call({"start", "waiting"}).code, 0);
      EXPECT_EQ(call({"delete", "--force", "waiting"}).code, 0);
    }
  end();
}

// startContainer hooks are programs of the image.
TEST_F(FirstProcess, HasNothingMoreWhileHooksRun) {
  const json hook = {{"path", kPayload}, {"args", {"payload", "trace", "1", "descriptor socket", page_of(id())}}};
  bundle_.config["hooks"]["startContainer"] = {hook};
  bundle_.config["process"]["oomScoreAdj"] = 100;
  bundle_.config["linux"]["namespaces"].push_back({{"type", "time"}});
  bundle_.config["linux"]["timeOffsets"] = {{"monotonic", {{"secs", 100}}}};
  json filter = bundle_.config["linux"]["seccomp"];
  for (bool filtered : {true, false})
    for (bool init : {true, false}) {
      bundle_.config["linux"].erase("seccomp");
      if (filtered) bundle_.config["linux"]["seccomp"] = filter;
      const std::vector<std::string> flags = init ? std::vector<std::string>{} : std::vector<std::string>{"--no-init"};
      bundle_.payload({"true"});
      Outcome outcome = run(bundle_, flags);
      EXPECT_EQ(outcome.code, 0) << filtered << init << describe(outcome);
      bundle_.payload({"pause"});
      outcome = detach(bundle_, flags);
      EXPECT_EQ(outcome.code, 0) << filtered << init << describe(outcome);
      end();
    }
  // That a hook which finds more fails, the loop above would not notice.
  bundle_.config["hooks"]["startContainer"][0]["args"] = {"payload", "trace", "1", "nothing at all"};
  Outcome outcome = run(bundle_);
  EXPECT_EQ(outcome.code, 1) << describe(outcome);
  EXPECT_NE(outcome.err.find("[descriptor socket]"), std::string::npos) << describe(outcome);
}

TEST_F(FirstProcess, IsNoPuppet) {
  const std::string number = std::to_string(SYS_getppid), denied = std::to_string(-EPERM) + "\n";
  bundle_.payload({"puppet", "1", number});
  Outcome outcome = run(bundle_);
  EXPECT_EQ(outcome.out, denied) << describe(outcome);
  create({"--init"});
  EXPECT_EQ(exec({}, {kPayload, "puppet", "1", number}).out, denied);
  EXPECT_EQ(call({"start", id()}).code, 0);  // it waits as before
  end();
  create({});
  EXPECT_EQ(exec({}, {kPayload, "puppet", "1", number}).out, std::to_string(-ENOTTY) + "\n");
  EXPECT_EQ(call({"start", id()}).code, 0);
  end();
}

}  // namespace
}  // namespace minirun::testing
