// SPDX-License-Identifier: Apache-2.0
// `minirun doctor`: each ailment is found in a container that has it, and not in a healthy one. Those that need limits
// are in doctor_limits_test.cc.
#include <fmt/format.h>

#include "tests/support/doctor_fixture.h"
#include "tests/support/rootless_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

TEST_F(Doctor, NothingIsFoundInAHealthyContainer) {
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    ail({"healthy"}, flags);
    EXPECT_EQ(rules(), "");
    Outcome outcome = call({"doctor", "--interval", "100ms", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_TRUE(outcome.out.starts_with("nothing found: ")) << outcome.out;
    EXPECT_EQ(outcome.err, "");
    end();
  }
}

TEST_F(Doctor, TextHasWhatTheJsonHas) {
  ail({"zombies", "7"});
  json report = examine();
  Outcome outcome = call({"doctor", "--interval=100ms", "--format", "text", id()});
  EXPECT_EQ(outcome.code, 2) << describe(outcome);
  for (const json& finding : report["findings"])
    for (const char* key : {"rule", "severity", "text", "remedy"})
      EXPECT_NE(outcome.out.find(finding[key].get<std::string>()), std::string::npos) << finding << "\n" << outcome.out;
  end();
}

TEST_F(Doctor, FindsAFrozenContainer) {
  ail({"healthy"});
  EXPECT_EQ(call({"pause", id()}).code, 0);
  EXPECT_EQ(rules(), "frozen");
  EXPECT_EQ(finding("frozen")["remedy"], "minirun resume " + id());
  EXPECT_EQ(call({"resume", id()}).code, 0);
  EXPECT_EQ(rules(), "");
  end();
}

TEST_F(Doctor, FindsProcessesThatAreStoppedAndTraced) {
  bundle_.add_capability("CAP_SYS_PTRACE");
  start({"stubborn", "stopped", "traced"});
  std::string found = rules();
  EXPECT_NE(found.find("stopped stopped stopped"), std::string::npos) << found;
  end();
}

TEST_F(Doctor, FindsAProcessThatWaitsInTheKernel) {
  start({"stubborn", "vfork"});
  json found = finding("uninterruptible");
  EXPECT_NE(found["text"].get<std::string>().find("(state D) the whole time"), std::string::npos) << found;
  EXPECT_EQ(found["severity"], "critical");
  end();
}

TEST_F(Doctor, FindsZombiesOfTheirParent) {
  ail({"zombies", "4"});
  EXPECT_EQ(rules(), "");
  end();
  ail({"zombies", "40"}, {"--no-init"});
  EXPECT_EQ(rules(), "zombies");
  EXPECT_EQ(finding("zombies")["numbers"]["zombies"], 40);
  EXPECT_NE(finding("zombies")["remedy"].get<std::string>().find("without --no-init"), std::string::npos);
  end();
}

TEST_F(Doctor, FindsDescriptorsThatRunOut) {
  ail({"descriptors", "50", "100"});
  EXPECT_EQ(rules(), "") << "half of them, and no more";
  end();
  ail({"descriptors", "95", "100"});
  json found = finding("descriptors");
  EXPECT_EQ(found["numbers"]["open"], 95) << found;
  EXPECT_EQ(found["numbers"]["limit"], 100);
  EXPECT_GE(found["numbers"]["sockets"], 90);
  end();
}

TEST_F(Doctor, FindsDescriptorsThatWillRunOut) {
  ail({"descriptors", "600", "1000", "50"});
  json found = finding("descriptors", "500ms");
  EXPECT_GT(found["numbers"]["more_a_minute"], 0) << found;
  EXPECT_LT(found["numbers"]["open"], 1000) << found;
  end();
}

TEST_F(Doctor, FindsAnEventLoopThatIsBlocked) {
  ail({"event-loop"});
  EXPECT_TRUE(eventually([&] { return rules("1s").find("event-loop") != std::string::npos; }, 20000));
  end();
}

TEST_F(Doctor, FindsProcessesThatWaitForAProcessor) {
  ail({"busy", "16"});
  if (content(cgroup() + "/cpu.pressure") == "(none)") {
    end();
    GTEST_SKIP() << "no pressure is measured here";
  }
  EXPECT_TRUE(eventually([&] { return rules("300ms").find("cpu-host") != std::string::npos; }, 20000));
  end();
}

TEST_F(Doctor, FindsAStopSignalThatEndsNothing) {
  start({"pause"}, {"--no-init"});
  std::string text = finding("stop-signal")["text"];
  EXPECT_NE(text.find("the kernel drops it for pid 1"), std::string::npos) << text;
  Outcome outcome = call({"stop", "--timeout", "200ms", id()});
  EXPECT_EQ(outcome.code, 137) << "and so it is: " << describe(outcome);
  end();
  start({"stubborn"});
  text = finding("stop-signal")["text"];
  EXPECT_NE(text.find("which ignores it"), std::string::npos) << text;
  end();
  start({"pause"});
  EXPECT_EQ(rules(), "") << "the init's child ends by the signal";
  end();
}

TEST_F(Doctor, FindsAChildThatIsKilledWithoutItsTimeToCleanUp) {
  ail({"child"});
  EXPECT_TRUE(eventually([&] { return rules() == "stop-signal"; })) << rules();
  std::string text = finding("stop-signal")["text"];
  EXPECT_NE(text.find("has no handler and ends at once"), std::string::npos) << text;
  end();
}

TEST_F(Doctor, TakesTheImagesStopSignal) {
  bundle_.config["annotations"]["org.opencontainers.image.stopSignal"] = "SIGUSR1";
  ail({"healthy"}, {"--no-init"});
  std::string text = finding("stop-signal")["text"];
  EXPECT_TRUE(text.starts_with("SIGUSR1 goes to ")) << text;
  end();
}

TEST_F(Doctor, CannotLookAtWhatDoesNotRun) {
  expect_refused(call({"doctor", id()}), {"doctor " + id() + ": container does not exist"});
  ail({"healthy"});
  EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
  EXPECT_TRUE(eventually([&] { return json::parse(call({"state", id()}).out)["status"] == "stopped"; }));
  expect_refused(call({"doctor", id()}), {"doctor " + id() + ": container not running"});
  end();
}

TEST_F(Doctor, SaysThatTheContainerEndedMeanwhile) {
  ail({"healthy"});
  Running doctor(minirun({"doctor", "--interval", "1h", id()}), {});
  usleep(100000);
  EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
  Outcome outcome = doctor.finish();
  EXPECT_EQ(outcome.code, 1) << describe(outcome);
  EXPECT_NE(outcome.err.find("container not running"), std::string::npos) << describe(outcome);
  end();
}

TEST_F(Doctor, OfACreatedContainerFindsNothing) {
  bundle_.payload({"pause"});
  bundle_.write();
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = options.stderr_fd = nowhere.get();
  ASSERT_EQ(call({"create", "--bundle", bundle_.path(), id()}, options).code, 0);
  EXPECT_EQ(rules(), "");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Doctor, SeesProcessesOfExecAndOfThreadedCgroups) {
  ail({"healthy"});
  Running exec(minirun({"exec", id(), "/bin/payload", "ailing", "zombies", "9"}), {});
  ASSERT_TRUE(exec.wait_for("ready")) << exec.err();
  EXPECT_EQ(finding("zombies")["numbers"]["zombies"], 9);
  ASSERT_EQ(mkdir((cgroup() + "/threads").c_str(), 0755), 0);
  ASSERT_TRUE(write_control(AT_FDCWD, cgroup() + "/threads/cgroup.type", "threaded").ok());
  EXPECT_EQ(finding("zombies")["numbers"]["zombies"], 9);
  EXPECT_EQ(examine()["unseen"], json::array());
  exec.send(SIGKILL);
  end();
}

class DoctorRootless : public RootlessTest {};

TEST_F(DoctorRootless, LooksAtTheUsersOwnWithoutACgroup) {
  Bundle bundle;
  make_rootless(bundle, {"ailing", "zombies", "6"});
  ASSERT_EQ(user_run(bundle, {"--detach"}).code, 0);
  Outcome outcome;
  EXPECT_TRUE(eventually([&] {
    outcome = user_minirun({"doctor", "--interval", "100ms", "--format", "json", "mine"});
    return outcome.code == 2;
  })) << describe(outcome);
  json report = json::parse(outcome.out, nullptr, false);
  EXPECT_EQ(schema_problem(doctor_schema(), report), "") << outcome.out;
  EXPECT_EQ(report["findings"][0]["rule"], "zombies") << outcome.out;
  EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).code, 0);
}

// As in a container with a user namespace, whose root owns the cgroup, and hides a part of it.
TEST_F(DoctorRootless, ACgroupThatCannotBeReadHidesNoOther) {
  delegate_cgroup();
  Bundle bundle;
  make_rootless(bundle, {"ailing", "zombies", "6"});
  bundle.config["linux"]["cgroupsPath"] = "/slice/mine";
  ASSERT_EQ(user_run(bundle, {"--detach"}).code, 0);
  std::string hidden = kSlice + "/mine/hidden";
  ASSERT_EQ(mkdir(hidden.c_str(), 0700), 0);
  Outcome outcome = user_minirun({"doctor", "--interval", "100ms", "mine"});
  EXPECT_NE(outcome.out.find("unseen: the processes in 1 of its cgroups"), std::string::npos) << describe(outcome);
  outcome = user_minirun({"top", "--once", "--delay", "100ms", "--format", "json"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  json row = json::parse(outcome.out, nullptr, false)["containers"][0];
  EXPECT_EQ(row["status"], "running") << outcome.out;
  EXPECT_EQ(row["unseen"].size(), 1U) << outcome.out;
  outcome = user_minirun({"ps", "--format", "json", "mine"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.err.find("the processes in 1 of its cgroups are missing"), std::string::npos) << describe(outcome);
  EXPECT_GE(json::parse(outcome.out, nullptr, false).size(), 2U) << outcome.out;
  EXPECT_EQ(rmdir(hidden.c_str()), 0);
  EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).code, 0);
}

}  // namespace
}  // namespace minirun::testing
