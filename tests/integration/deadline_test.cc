// SPDX-License-Identifier: Apache-2.0
// run --timeout, --cpu-time and --grace: when the time is over nothing of the workload is left, whatever it does.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "sys/pipe.h"
#include "tests/support/fixture.h"
#include "tests/support/hook_fixture.h"
#include "tests/support/json_schema.h"
#include "tests/support/rootless_fixture.h"
#include "tests/support/scaled_time.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

std::string terminating() {
  return std::to_string(SIGTERM);
}

class Deadline : public MinirunTest {
 protected:
  std::string cgroup() const { return "/sys/fs/cgroup/minirun-" + id(); }
  // Ended at the deadline, neither before nor long after it, with a line that says so. TearDown looks for what is left.
  Outcome expect_timed_out(const Words& flags, const std::string& how, int least_ms, int most_ms) {
    auto began = Clock::now();
    Outcome outcome = run(bundle_, flags);
    auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
    EXPECT_EQ(outcome.code, 124) << describe(outcome);
    EXPECT_EQ(outcome.err, "minirun: " + id() + ": " + how + "\n");
    EXPECT_GE(took, least_ms);
    EXPECT_LT(took, most_ms * slowness());
    EXPECT_NE(access(cgroup().c_str(), F_OK), 0);
    return outcome;
  }
  void expect_killed(const Words& more = {}) {
    Words flags = {"--timeout", scaled(600), "--grace", "300ms"};
    flags.insert(flags.end(), more.begin(), more.end());
    expect_timed_out(
        flags,
        "timed out after " + scaled(600) + " (--timeout); killed, as it did not end within 300ms of its stop signal",
        790, 5000);
  }
  Bundle bundle_;
};

TEST_F(Deadline, EndsAWorkloadByItsStopSignal) {
  bundle_.payload({"exit-on", terminating(), "0"});
  for (const Words& more : {Words{}, {"--no-init"}}) {
    Words flags = {"--timeout", scaled(600)};
    flags.insert(flags.end(), more.begin(), more.end());
    expect_timed_out(flags, "timed out after " + scaled(600) + " (--timeout); ended within 10s of its stop signal", 400,
                     5000);
  }
  bundle_.payload({"exit-on", std::to_string(SIGUSR2), "0"});
  bundle_.config["annotations"]["org.opencontainers.image.stopSignal"] = "SIGUSR2";
  expect_timed_out({"--timeout", scaled(600), "--grace", "5s"},
                   "timed out after " + scaled(600) + " (--timeout); ended within 5s of its stop signal", 400, 4000);
  bundle_.config["annotations"]["org.opencontainers.image.stopSignal"] = "SIGNONE";
  expect_refused(run(bundle_, {"--timeout", scaled(1000)}),
                 {"/annotations/org.opencontainers.image.stopSignal", "SIGNONE"});
}

TEST_F(Deadline, LeavesAWorkloadThatEndsInTimeAlone) {
  bundle_.payload({"exit", "7"});
  Outcome outcome = run(bundle_, {"--timeout", "1h", "--cpu-time", "1h", "--grace", "1s"});
  EXPECT_EQ(outcome.code, 7) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  bundle_.payload({"true"});
  EXPECT_EQ(run(bundle_, {"--timeout", "2562047h"}).code, 0);  // 292 years, nearly as far as a span goes
}

TEST_F(Deadline, KillsWhatIgnoresSignalsStopsOrFreezesItself) {
  bundle_.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev"});
  for (const char* kind : {"stopped", "traced", "vfork", "nested", "cwd"}) {
    SCOPED_TRACE(kind);
    bundle_.payload({"stubborn", kind});
    expect_killed();
    expect_killed({"--no-init"});
  }
  bundle_.drop_namespace("pid");
  bundle_.payload({"stubborn", "stopped", "traced", "vfork", "nested", "cwd"});
  expect_killed();
  expect_killed({"--no-init"});
}

TEST_F(Deadline, KillsWhatForksAndDetachesItself) {
  if (!bundle_.add_busybox({"sh", "sleep", "setsid"})) GTEST_SKIP() << "no busybox";
  bundle_.config["process"]["args"] = {
      "/bin/sh", "-c",
      "trap '' TERM HUP INT; (setsid sh -c 'trap \"\" TERM; while :; do (setsid sleep 100 &); sleep 0.1; done' &); "
      "kill -STOP $$; while :; do sleep 1; done"};
  expect_killed();
  expect_killed({"--no-init"});
  bundle_.drop_namespace("pid");
  expect_killed();
  // The first process heeds its signal, and the others live on without a pid namespace of their own.
  bundle_.config["process"]["args"] = {"/bin/sh", "-c",
                                       "(setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' &); exec sleep 100"};
  expect_timed_out({"--timeout", scaled(600), "--grace", "3s"},
                   "timed out after " + scaled(600) + " (--timeout); ended within 3s of its stop signal", 400, 5000);
}

TEST_F(Deadline, WithoutGraceKillsAtOnce) {
  bundle_.payload({"exit-on", terminating(), "0"});
  expect_timed_out({"--timeout", scaled(600), "--grace", "0"},
                   "timed out after " + scaled(600) + " (--timeout); killed", 300, 4000);
}

TEST_F(Deadline, CountsWhileTheContainerIsPaused) {
  bundle_.payload({"exit-on", terminating(), "0"});
  Running container(run_command(bundle_, {"--timeout", scaled(2000)}), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  ASSERT_EQ(call({"pause", id()}).code, 0);
  Outcome outcome = container.finish();
  EXPECT_EQ(outcome.code, 124) << describe(outcome);
  EXPECT_NE(outcome.err.find("ended within 10s of its stop signal"), std::string::npos) << outcome.err;
}

TEST_F(Deadline, OfCpuTimeIsThatOfAllProcessesTogether) {
  auto began = Clock::now();
  bundle_.payload({"burn", "60"});
  expect_timed_out({"--cpu-time", "500ms", "--grace", "0"}, "has used 500ms of CPU time (--cpu-time); killed", 250,
                   20000);
  // A hundred times 10 ms or so each: none of them alone uses much.
  if (bundle_.add_busybox({"sh"})) {
    bundle_.config["process"]["args"] = {"/bin/sh", "-c", "while :; do /bin/payload burn 0.01; done"};
    expect_timed_out({"--cpu-time", "500ms", "--grace", "0"}, "has used 500ms of CPU time (--cpu-time); killed", 250,
                     20000);
  }
  // Time without work does not count.
  bundle_.payload({"pause"});
  expect_timed_out({"--cpu-time", "10s", "--timeout", scaled(700), "--grace", "0"},
                   "timed out after " + scaled(700) + " (--timeout); killed", 700, 5000);
  EXPECT_LT(Clock::now() - began, std::chrono::seconds(60 * slowness()));
}

// At most 100 ms for each CPU, on a machine that lets minirun run in time.
TEST_F(Deadline, OfCpuTimeIsKeptNearly) {
  bundle_.payload({"burn", "60"});
  Running container(run_command(bundle_, {"--cpu-time", "1s", "--grace", "1s"}), {});
  // burn ignores nothing: it dies of SIGTERM, and the counter of its cgroup says how late.
  uint64_t used = 0;
  (void)eventually(
      [&] {
        std::string stat = content(cgroup() + "/cpu.stat");
        unsigned long long usec = 0;
        if (sscanf(stat.c_str(), "usage_usec %llu", &usec) == 1) used = usec;
        return used > 0 && access(cgroup().c_str(), F_OK) != 0;
      },
      20000);
  EXPECT_EQ(container.finish().code, 124);
  auto cpus = static_cast<uint64_t>(sysconf(_SC_NPROCESSORS_ONLN));
  EXPECT_GE(used, 800000U);
  EXPECT_LE(used, 1000000 + cpus * 100000 * static_cast<uint64_t>(slowness()));
}

TEST_F(Deadline, BadValuesAreRefusedBeforeAnythingIsMade) {
  bundle_.payload({"true"});
  for (const char* option : {"--timeout", "--cpu-time"}) {
    for (const char* value : {"0", "0s", "-1s", "", "10", "1.5", "s", "1x", "99999999999h", "1s2", "1e3s", " 1s"}) {
      SCOPED_TRACE(fmt::format("{} \"{}\"", option, value));
      expect_refused(run(bundle_, {fmt::format("{}={}", option, value)}), {option});
      EXPECT_NE(access((std::string(kState) + "/" + id()).c_str(), F_OK), 0);
    }
  }
  expect_refused(run(bundle_, {"--timeout", scaled(1000), "--grace", "-1s"}), {"--grace"});
  expect_refused(run(bundle_, {"--timeout", scaled(1000), "--grace", "5"}), {"--grace"});
  expect_refused(run(bundle_, {"--grace", "5s"}), {"--grace 5s", "neither is given"});
  expect_refused(call({"--cgroup-manager", "disabled", "run", "--cpu-time", "1s", "--bundle", bundle_.path(), id()}),
                 {"--cpu-time needs a cgroup"});
}

TEST_F(Deadline, HoldsWithoutACgroup) {
  bundle_.payload({"stubborn", "stopped"});
  bundle_.write();
  Outcome outcome = call({"--cgroup-manager", "disabled", "run", "--timeout", scaled(600), "--grace", "200ms",
                          "--bundle", bundle_.path(), id()});
  EXPECT_EQ(outcome.code, 124) << describe(outcome);
}

TEST_F(Deadline, IsTheCauseOfTheLastEvent) {
  bundle_.payload({"exit-on", terminating(), "3"});
  bundle_.write();
  Pipe pipe = make_pipe().value();
  StartOptions options;
  options.in_child = [&] { (void)dup2(pipe.writer.get(), 30); };
  Outcome outcome =
      Running(minirun({"run", "--status-fd", "30", "--timeout", scaled(600), "--bundle", bundle_.path(), id()}),
              options)
          .finish();
  pipe.writer.reset();
  char text[4096] = {};
  ASSERT_GT(read(pipe.reader.get(), text, sizeof text - 1), 0);
  std::string last(text);
  last = last.substr(last.rfind("{\"event"));
  auto event = nlohmann::json::parse(last, nullptr, false);
  EXPECT_EQ(schema_problem(status_schema(), event), "") << last;
  EXPECT_EQ(event.value("event", ""), "exited");
  EXPECT_EQ(event.value("cause", ""), "timeout");
  EXPECT_EQ(event.value("exit_status", 0), 124);
  EXPECT_EQ(outcome.code, 124);
}

TEST_F(Deadline, OptionsAreListedByFeatures) {
  auto features = nlohmann::json::parse(call({"features"}).out);
  EXPECT_EQ(features["annotations"].value("org.minirun.deadlines", ""), "timeout cpu-time grace tree");
}

TEST_F(Deadline, IsRememberedForWait) {
  bundle_.payload({"pause"});
  Outcome outcome = run(bundle_, {"--keep", "--timeout", scaled(600), "--grace", "0"});
  EXPECT_EQ(outcome.code, 124) << describe(outcome);
  EXPECT_EQ(call({"wait", id()}).code, 124);
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

// minirun is stopped as the deadline passes, so its watchdog acts; and one that is killed takes the workload with it.
TEST_F(Deadline, HoldsWhileMinirunIsStoppedAndEndsWithIt) {
  bundle_.payload({"stubborn"});
  for (bool init : {true, false}) {
    Words flags = {"--timeout", scaled(1000), "--grace", "200ms"};
    if (!init) flags.emplace_back("--no-init");
    Running container(run_command(bundle_, flags), {});
    ASSERT_TRUE(container.wait_for("ready")) << container.err();
    container.send(SIGSTOP);
    EXPECT_TRUE(eventually(
        [&] { return content(cgroup() + "/cgroup.events").find("populated 0") != std::string::npos; }, 10000));
    container.send(SIGCONT);
    EXPECT_EQ(container.finish().code, 124);
  }
  Running container(run_command(bundle_, {"--timeout", "1h"}), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  container.send(SIGKILL);
  EXPECT_TRUE(
      eventually([&] { return content(cgroup() + "/cgroup.events").find("populated 0") != std::string::npos; }));
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Deadline, StandsBesideOtherCommandsThatEndIt) {
  bundle_.payload({"exit-on", terminating(), "5"});
  for (const Words& command :
       {Words{"stop", id()}, {"kill", id(), "TERM"}, {"kill", id(), "KILL"}, {"delete", "--force", id()}}) {
    SCOPED_TRACE(command[0]);
    Running container(run_command(bundle_, {"--timeout", "1h"}), {});
    ASSERT_TRUE(container.wait_for("ready")) << container.err();
    usleep(100000);  // its init says that it runs
    Outcome other = call(command);
    EXPECT_EQ(other.code, 0) << describe(other);
    Outcome outcome = container.finish();
    EXPECT_EQ(outcome.code, command.back() == "KILL" || command[0] == "delete" ? 137 : 5) << describe(outcome);
  }
  // At the same moment: one of them wins, and both say the truth.
  const int slower = launch_slowness();
  for (int delay_ms = 280 * slower; delay_ms <= 320 * slower; delay_ms += 4 * slower) {
    Running container(run_command(bundle_, {"--timeout", scaled(300), "--grace", "0"}), {});
    usleep(static_cast<useconds_t>(delay_ms) * 1000);
    Outcome removed = call({"delete", "--force", id()});
    EXPECT_EQ(removed.code, 0) << describe(removed);
    int code = container.finish().code;
    EXPECT_TRUE(code == 124 || code == 137 || code == 1) << code;
  }
}

class DeadlineHooks : public HookTest {};

TEST_F(DeadlineHooks, CountsSetUp) {
  workload("echo never");
  for (const char* kind : {"createRuntime", "createContainer", "startContainer"}) {
    SCOPED_TRACE(kind);
    bundle_.config["hooks"] = nlohmann::json::object();
    add(kind, shell("trap '' TERM; while :; do $b sleep 1; done"));
    auto began = Clock::now();
    Outcome outcome = run(bundle_, {"--timeout", scaled(700)});
    EXPECT_EQ(outcome.code, 124) << describe(outcome);
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find("given up: --timeout was over before the workload ran"), std::string::npos)
        << outcome.err;
    EXPECT_LT(Clock::now() - began, std::chrono::seconds(8 * slowness()));
  }
}

class RootlessDeadline : public RootlessTest {};

TEST_F(RootlessDeadline, HoldsWithAndWithoutACgroup) {
  Bundle bundle;
  ASSERT_NO_FATAL_FAILURE(make_rootless(bundle, {"exit-on", "10", "0"}));
  Outcome outcome = user_run(bundle, {"--timeout", scaled(700), "--grace", "200ms"});
  EXPECT_EQ(outcome.code, 124) << describe(outcome);
  outcome = user_run(bundle, {"--cpu-time", "700ms"});
  EXPECT_EQ(outcome.code, 1) << describe(outcome);
  EXPECT_NE(outcome.err.find("--cpu-time needs a cgroup"), std::string::npos) << outcome.err;
  ASSERT_NO_FATAL_FAILURE(delegate_cgroup());
  outcome = user_run(bundle, {"--timeout", scaled(700), "--grace", "200ms"});
  EXPECT_EQ(outcome.code, 124) << describe(outcome);
  bundle.payload({"burn", "60"});
  outcome = user_run(bundle, {"--cpu-time", "500ms"});
  EXPECT_EQ(outcome.code, 124) << describe(outcome);
}

}  // namespace
}  // namespace minirun::testing
