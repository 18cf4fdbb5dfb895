// A container with CAP_SYS_PTRACE makes its PID 1 do what it may not do itself.
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
  outcome = exec({}, {kPayload, "trace", "1"});
  EXPECT_EQ(outcome.out.find("attached 1 empty 0 before 1 findings 0"), 0U) << describe(outcome);
  end();
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
