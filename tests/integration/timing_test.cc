// SPDX-License-Identifier: Apache-2.0
// --timing and --timing-json: what took how long.
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/checkpoint_fixture.h"
#include "tests/support/hook_fixture.h"
#include "tests/support/refused_call.h"
#include "tests/support/rootless_fixture.h"
#include "tests/support/timing_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

class Timing : public TimingTest {
 protected:
  // Its container keeps stdout.
  Outcome create(const Words& flags) const {
    bundle_.write();
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions options;
    options.stdout_fd = nowhere.get();
    Words words = {"create"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), {"--bundle", bundle_.path(), id()});
    return call(words, options);
  }
};

// A session keyring is named after the container, which has no id in a plan.
bool has_id(const json& step) {
  return step["does"].get<std::string>().find("session keyring") != std::string::npos;
}

TEST_F(Timing, StepsAreThoseOfThePlan) {
  bundle_.payload({"true"});
  for (const Words& flags : std::vector<Words>{{}, {"--no-init"}}) {
    json timing = timed_run(flags);
    Words words = {"plan", "--format", "json"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.push_back(bundle_.path());
    json plan = json::parse(call(words).out, nullptr, false);
    ASSERT_TRUE(plan.is_object());
    ASSERT_EQ(timing["steps"].size(), plan["steps"].size());
    for (size_t i = 0; i < timing["steps"].size(); ++i) {
      const json& step = timing["steps"][i];
      EXPECT_EQ(step["step"], plan["steps"][i]["step"]);
      EXPECT_TRUE(has_id(step) || step["does"] == plan["steps"][i]["does"]) << step;
      EXPECT_EQ(step["origin"], plan["steps"][i]["origin"]);
    }
    // The one that becomes the workload, and with an init the one that stays.
    expect_all_steps_timed(timing, flags.empty() ? 2 : 1);
    EXPECT_LT(timing["setup_us"], timing["wall_us"]);
  }
}

TEST_F(Timing, IsATableForPeople) {
  bundle_.payload({"exit", "7"});
  Outcome outcome = run(bundle_, {"--timing"});
  EXPECT_EQ(outcome.code, 7) << describe(outcome);
  EXPECT_TRUE(outcome.err.starts_with("minirun: timing of run " + id() + ": wall_us ")) << outcome.err;
  for (const char* text : {", of these setup_us ", "  phase of minirun\n", "  workload\n", "  removal\n", "  all\n",
                           "  step, as the container's side says\n", "   1 ", "  <- /root/path\n"})
    EXPECT_NE(outcome.err.find(text), std::string::npos) << text << " in " << outcome.err;
  EXPECT_EQ(run(bundle_).err, "");
}

TEST_F(Timing, PhasesAreThoseOfARun) {
  bundle_.payload({"true"});
  json timing = timed_run({});
  std::string names;
  for (const json& phase : timing["phases"]) names += phase["phase"].get<std::string>() + " ";
  EXPECT_EQ(names, "prepare cgroup clone record steps announcement workload explanation removal end ");
}

TEST_F(Timing, NamesTheStepThatFailed) {
  bundle_.add_mount("/odd", "tmpfs", "tmpfs", {"sise=64m"});
  for (const Words& flags : std::vector<Words>{{}, {"--no-init"}}) {
    json timing = timed_run(flags, 1);
    EXPECT_FALSE(timing.contains("setup_us")) << timing;
    ASSERT_TRUE(timing.contains("failed_step")) << timing;
    const auto failed = timing["failed_step"].get<size_t>();
    ASSERT_LE(failed, timing["steps"].size());
    const json& step = timing["steps"][failed - 1];
    EXPECT_NE(step["does"].get<std::string>().find("sise=64m"), std::string::npos) << step;
    EXPECT_TRUE(step.contains("wall_us")) << step;
    const std::string said = "[step " + std::to_string(failed) + " of " + std::to_string(timing["steps"].size()) + "]";
    EXPECT_NE(outcome_.err.find(said), std::string::npos) << describe(outcome_);
    EXPECT_FALSE(timing["steps"][failed].contains("begun_us")) << "a step after it has begun: " << timing;
  }
  Outcome outcome = run(bundle_, {"--timing"});
  EXPECT_NE(outcome.err.find(", whose step "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("  (failed)\n"), std::string::npos) << outcome.err;
}

TEST_F(Timing, NamesTheExecThatFailed) {
  bundle_.config["process"]["args"] = {"/bin/never-was"};
  for (const Words& flags : std::vector<Words>{{}, {"--no-init"}}) {
    json timing = timed_run(flags, 127);
    ASSERT_TRUE(timing.contains("failed_step")) << timing;
    const json& step = timing["steps"][timing["failed_step"].get<size_t>() - 1];
    EXPECT_EQ(step["does"], "execute /bin/never-was");
    EXPECT_FALSE(timing.contains("setup_us"));
  }
}

TEST_F(Timing, OfAConfigThatIsRefusedHasItsPhaseAlone) {
  bundle_.config["process"]["cwd"] = "relative";
  json timing = timed_run({}, 1);
  EXPECT_EQ(timing["phases"].size(), 1U) << timing;
  EXPECT_EQ(phase_of(timing, "prepare")["wall_us"], timing["wall_us"]);
  EXPECT_FALSE(timing.contains("steps"));
}

json with_a_filter_for_clocks(const char* action) {
  return {{"defaultAction", "SCMP_ACT_ALLOW"},
          {"syscalls",
           {{{"names", {"clock_gettime"}}, {"action", action}}, {{"names", {"getppid"}}, {"action", "SCMP_ACT_LOG"}}}}};
}

// Reading a clock would kill: after the filter none is read.
TEST_F(Timing, NoClockIsReadUnderAFilterThatRefusesIt) {
  bundle_.payload({"true"});
  bundle_.config["linux"]["seccomp"] = with_a_filter_for_clocks("SCMP_ACT_KILL_PROCESS");
  for (bool no_new_privileges : {true, false}) {
    bundle_.config["process"]["noNewPrivileges"] = no_new_privileges;
    for (const Words& flags : std::vector<Words>{{}, {"--no-init"}}) {
      json timing = timed_run(flags);
      bool filtered = false;
      for (const json& step : timing["steps"]) {
        filtered = filtered || step["origin"] == "/linux/seccomp";
        EXPECT_TRUE(!filtered || !step.contains("wall_us")) << step;
        if (step["origin"] == "/process/args") break;
      }
      EXPECT_TRUE(filtered) << timing;
    }
  }
}

TEST_F(Timing, TheFilterIsTimedWhereItAllowsTheClocks) {
  bundle_.payload({"true"});
  bundle_.config["linux"]["seccomp"] = with_a_filter_for_clocks("SCMP_ACT_LOG");
  for (const Words& flags : std::vector<Words>{{}, {"--no-init"}})
    expect_all_steps_timed(timed_run(flags), flags.empty() ? 2 : 1);
}

// A kernel that ends who reads these clocks by a system call, as the container's side always does, and minirun for its
// CPU time.
TEST_F(Timing, WithoutTheOptionNoClockIsReadForIt) {
  bundle_.payload({"true"});
  bundle_.write();
  StartOptions options;
  options.in_child = [] {
    end_by_call(SYS_clock_gettime, {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_TAI});
  };
  for (const Words& flags : std::vector<Words>{{}, {"--no-init"}, {"--detach"}}) {
    Words words = {"run"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), {"--bundle", bundle_.path(), id()});
    Outcome outcome = Running(minirun(words), options).finish();
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    if (flags == Words{"--detach"}) end();
  }
  Outcome outcome = Running(minirun({"run", "--timing", "--bundle", bundle_.path(), id()}), options).finish();
  EXPECT_EQ(outcome.code, -SIGSYS) << describe(outcome);
}

TEST_F(Timing, CreateAndStartShareIt) {
  bundle_.payload({"pause"});
  for (const Words& flags : std::vector<Words>{{"--timing-json"}, {"--timing-json", "--init"}}) {
    Outcome created = create(flags);
    ASSERT_EQ(created.code, 0) << describe(created);
    json timing = timing_in(created.err);
    EXPECT_EQ(timing["command"], "create");
    EXPECT_TRUE(timing.contains("setup_us"));
    EXPECT_TRUE(timing["steps"][0].contains("wall_us"));
    EXPECT_FALSE(timing["steps"].back().contains("begun_us")) << "the workload runs: " << timing;
    Outcome started = call({"start", "--timing-json", id()});
    ASSERT_EQ(started.code, 0) << describe(started);
    timing = timing_in(started.err);
    EXPECT_EQ(timing["command"], "start");
    EXPECT_TRUE(timing.contains("setup_us"));
    EXPECT_FALSE(timing.contains("steps"));
    EXPECT_GE(phase_of(timing, "connect")["wall_us"], 0);
    Outcome again = call({"start", "--timing", id()});
    EXPECT_EQ(again.code, 1);
    EXPECT_TRUE(again.err.starts_with("minirun: timing of start " + id() + ": wall_us ")) << again.err;
    end();
  }
}

TEST_F(Timing, OfAStartThatFailsNamesItsStep) {
  bundle_.payload({"pause"});
  ASSERT_EQ(create({}).code, 0);
  ASSERT_EQ(unlink((bundle_.rootfs() + "/bin/payload").c_str()), 0);
  Outcome started = call({"start", "--timing-json", id()});
  EXPECT_NE(started.code, 0);
  json timing = timing_in(started.err);
  EXPECT_TRUE(timing.contains("failed_step")) << timing;
  EXPECT_FALSE(timing.contains("setup_us")) << timing;
  end();
}

TEST_F(Timing, OfAnExecHasItsOwnSteps) {
  start();
  for (const Words& more : std::vector<Words>{{}, {"--tree"}, {"--detach"}}) {
    Words flags = {"--timing", "--timing-json"};
    flags.insert(flags.end(), more.begin(), more.end());
    Outcome executed = exec(flags, {"/bin/payload", "true"});
    EXPECT_EQ(executed.code, 0) << describe(executed);
    json timing = timing_in(executed.err);
    EXPECT_EQ(timing["command"], "exec");
    EXPECT_NE(executed.err.find("minirun: timing of exec " + id()), std::string::npos) << executed.err;
    expect_all_steps_timed(timing, 1);
    if (more != Words{"--detach"}) {
      EXPECT_GE(phase_of(timing, "workload")["wall_us"], 0);
    }
  }
  Outcome executed = exec({"--timing-json", "--cwd", "/never/was"}, {"/bin/payload", "true"});
  EXPECT_EQ(executed.code, 255) << describe(executed);
  json timing = timing_in(executed.err);
  ASSERT_TRUE(timing.contains("failed_step")) << timing;
  EXPECT_NE(timing["steps"][timing["failed_step"].get<size_t>() - 1]["does"].get<std::string>().find("/never/was"),
            std::string::npos)
      << timing;
  end();
}

TEST_F(Timing, OfADetachedOneEndsWithItsSetUp) {
  bundle_.payload({"pause"});
  for (const Words& flags : std::vector<Words>{{"--detach"}, {"--detach", "--timeout", "1h"}}) {
    json timing = timed_run(flags);
    EXPECT_TRUE(timing.contains("setup_us")) << timing;
    end();
  }
}

TEST_F(Timing, ATimeNamespaceShiftsNoStep) {
  if (access("/proc/self/ns/time", F_OK) != 0) GTEST_SKIP() << "a kernel without time namespaces";
  bundle_.payload({"true"});
  bundle_.config["linux"]["namespaces"].push_back({{"type", "time"}});
  bundle_.config["linux"]["timeOffsets"] = {{"monotonic", {{"secs", 86400}}}, {"boottime", {{"secs", 86400}}}};
  expect_all_steps_timed(timed_run({}), 2);
}

TEST_F(Timing, OfNewAndJoinedNamespaces) {
  bundle_.payload({"true"});
  bundle_.join_namespace("pid", "/proc/self/ns/pid");
  expect_all_steps_timed(timed_run({}), 1);
  Bundle other;
  other.add_user_namespace();
  other.payload({"pause"});
  ASSERT_EQ(detach(other).code, 0);
  Outcome executed = exec({"--timing-json"}, {"/bin/payload", "true"});
  EXPECT_EQ(executed.code, 0) << describe(executed);
  expect_all_steps_timed(timing_in(executed.err), 1);
  end();
  other.payload({"true"});
  Outcome outcome = run(other, {"--timing-json"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  expect_all_steps_timed(timing_in(outcome.err), 2);
}

TEST_F(Timing, OfAContainerWithoutACgroup) {
  bundle_.payload({"true"});
  bundle_.drop_namespace("cgroup");
  bundle_.write();
  Words words = minirun({});
  words.insert(words.end(), {"--cgroup-manager", "disabled", "run", "--timing-json", "--bundle", bundle_.path(), id()});
  Outcome outcome = Running(words, {}).finish();
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  expect_all_steps_timed(timing_in(outcome.err), 2);
}

TEST_F(Timing, OptionsAreListedByFeatures) {
  json features = json::parse(call({"features"}).out);
  EXPECT_EQ(features["annotations"].value("org.minirun.timing", ""), "timing timing-json");
}

class TimingRootless : public RootlessTest {};

TEST_F(TimingRootless, IsTheSameForAnOrdinaryUser) {
  Bundle bundle;
  ASSERT_NO_FATAL_FAILURE(make_rootless(bundle, {"exit", "7"}));
  for (const Words& flags : std::vector<Words>{{}, {"--no-init"}}) {
    Words all = {"--timing-json"};
    all.insert(all.end(), flags.begin(), flags.end());
    Outcome outcome = user_run(bundle, all);
    EXPECT_EQ(outcome.code, 7) << describe(outcome);
    expect_all_steps_timed(timing_in(outcome.err), flags.empty() ? 2 : 1);
  }
}

class TimingOfHooks : public HookTest {};

TEST_F(TimingOfHooks, TheGateWaitsAsLongAsTheHook) {
  constexpr int64_t kHookUs = 300'000;
  workload("true");
  add("createRuntime", shell("$b sleep 0.3"));
  Outcome outcome = run(bundle_, {"--timing-json"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  json timing = timing_in(outcome.err);
  EXPECT_GE(phase_of(timing, "setup gate")["waited_us"], kHookUs) << timing;
  int64_t longest = 0;
  for (const json& step : timing["steps"]) longest = std::max(longest, step.value("waited_us", int64_t{0}));
  EXPECT_GE(longest, kHookUs * 9 / 10) << timing;  // waiting began a moment before the hook
  EXPECT_GE(timing["setup_us"], kHookUs);
}

// No step has failed: it is the one that has begun and not ended.
TEST_F(TimingOfHooks, AHookThatFailsLeavesItsGateUnended) {
  workload("true");
  add("createRuntime", shell("exit 3"));
  Outcome outcome = run(bundle_, {"--timing-json"});
  EXPECT_EQ(outcome.code, 1) << describe(outcome);
  json timing = timing_in(outcome.err);
  EXPECT_FALSE(timing.contains("failed_step")) << timing;
  EXPECT_FALSE(timing.contains("setup_us")) << timing;
  EXPECT_GE(phase_of(timing, "removal")["wall_us"], 0);
  Words unended;
  for (const json& step : timing["steps"])
    if (step.contains("begun_us") && !step.contains("wall_us")) unended.push_back(step["does"]);
  ASSERT_EQ(unended.size(), 1U) << timing;
  EXPECT_EQ(unended[0].find("wait for minirun"), 0U) << timing;
}

class TimingOfRestore : public CheckpointTest {};

// A criu that fails after a while, as one without images would.
TEST_F(TimingOfRestore, WaitsForCriu) {
  constexpr int64_t kCriuUs = 200'000;
  fake("/bin/sleep 0.2; exit 1\n");
  make_folders(images_);
  write_new_file(images_ + "/descriptors.json", "[]", 0600);
  Bundle bundle;
  bundle.write();
  Outcome outcome = call_fake({"restore", "--timing-json", "--bundle", bundle.path(), "--image-path", images_, id()});
  EXPECT_EQ(outcome.code, 1) << describe(outcome);
  json timing = timing_in(outcome.err);
  EXPECT_EQ(timing["command"], "restore");
  EXPECT_GE(phase_of(timing, "criu")["waited_us"], kCriuUs) << timing;
  EXPECT_GE(phase_of(timing, "removal")["wall_us"], 0);
  EXPECT_FALSE(timing.contains("setup_us"));
}

}  // namespace
}  // namespace minirun::testing
