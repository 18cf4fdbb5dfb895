// SPDX-License-Identifier: Apache-2.0
// Hostile workloads under --explain-seccomp: no refused call ever succeeds, no other process is hurt, and the process
// that answers stands it.
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "tests/attacks/tracer_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class ExplainedCalls : public Tracer {
 protected:
  static json profile(const std::vector<std::string>& refused) {
    return {{"defaultAction", "SCMP_ACT_ALLOW"},
            {"syscalls",
             {{{"names", refused}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", ENOTTY}},
              {{"names", {"personality"}}, {"action", "SCMP_ACT_KILL_PROCESS"}}}}};
  }
};

// Each child calls what it is killed for, or refused, and is killed by its parent at any moment of that. A number that
// another process has by then must not be taken for the caller.
TEST_F(ExplainedCalls, CallersThatDieAtAnyMomentEndAlone) {
  constexpr int kRounds = 1000;
  Bundle bundle;
  bundle.config["linux"]["seccomp"] = profile({"mkdirat"});
  bundle.payload({"refused", "racing", std::to_string(kRounds)});
  std::vector<pid_t> canaries;
  for (int i = 0; i < 8; ++i) {
    canaries.push_back(fork());
    if (canaries.back() == 0)
      for (;;) pause();
  }
  Outcome outcome = run(bundle, {"--explain-seccomp"});
  EXPECT_EQ(outcome.out, "rounds " + std::to_string(kRounds) + "\n") << describe(outcome);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.err.find("seccomp refused mkdirat to \"payload\""), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("seccomp killed \"payload\" for personality"), std::string::npos) << outcome.err;
  for (pid_t canary : canaries) {
    EXPECT_EQ(waitpid(canary, nullptr, WNOHANG), 0) << "a process of the host has ended";
    (void)kill(canary, SIGKILL);
    (void)waitpid(canary, nullptr, 0);
  }
}

// Root in the host's pid namespace, without a user namespace, can kill any process of minirun's.
TEST_F(ExplainedCalls, StayRefusedWhenTheContainerKillsWhatAnswers) {
  Bundle bundle;
  if (!bundle.add_busybox({"sh", "mkdir", "kill", "sleep", "cat"})) GTEST_SKIP() << "no busybox";
  bundle.drop_namespace("pid");
  bundle.add_capability("CAP_KILL");
  bundle.config["root"]["readonly"] = false;
  bundle.config["linux"]["seccomp"] = profile({"mkdir", "mkdirat"});
  bundle.config["process"]["args"] = {
      "/bin/sh", "-c",
      "for p in /proc/[0-9]*; do [ \"$(cat $p/comm)\" = minirun-seccomp ] && kill -9 ${p#/proc/} && echo killed; done; "
      "mkdir /one && echo made; sleep 0.2; mkdir /two && echo made; echo end"};
  Outcome outcome = run(bundle, {"--explain-seccomp"});
  EXPECT_EQ(outcome.out, "killed\nend\n") << describe(outcome);
  EXPECT_NE(outcome.err.find("the process that counted them"), std::string::npos) << outcome.err;
  EXPECT_NE(access((bundle.rootfs() + "/one").c_str(), F_OK), 0);
}

// Like any container that joins the pid namespace of a tracer (JoiningTracer.*): the rootfs is the tracer's own, so
// that any other root is a finding.
TEST_F(ExplainedCalls, ATracerFindsNothingOfARunThatJoinsIt) {
  Bundle pod, other;
  add_filter(pod, {"clone3"});
  start_tracer(pod);
  other.config["root"]["path"] = pod.rootfs();
  other.join_namespace("pid", "/proc/" + std::to_string(container_pid()) + "/ns/pid");
  add_filter(other, {"clone3", "mkdirat"});
  other.payload({"refused", "as", "clerk"});
  other.write();
  for (int i = 0; i < rounds(); ++i) {
    Outcome outcome = Running(minirun({"run", "--explain-seccomp", "--bundle", other.path(), "other"}), {}).finish();
    EXPECT_EQ(outcome.out, "errno 38\n") << describe(outcome);
    EXPECT_NE(outcome.err.find("seccomp refused mkdirat to \"clerk\" once"), std::string::npos) << outcome.err;
  }
  std::string said = end_and_hear();
  EXPECT_NE(said.find("findings 0"), std::string::npos) << said;
}

}  // namespace
}  // namespace minirun::testing
