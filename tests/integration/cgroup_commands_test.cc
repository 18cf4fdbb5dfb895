// SPDX-License-Identifier: Apache-2.0
// Commands on a container's cgroup: pause, resume, ps.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "tests/support/fixture.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class CgroupCommands : public MinirunTest {
 protected:
  std::string status() { return json::parse(call({"state", id()}).out)["status"]; }
  std::string cgroup() { return "/sys/fs/cgroup/minirun-" + id(); }
  // A detached container that uses a CPU for this long.
  void start_burner(Bundle& bundle, const std::vector<std::string>& flags = {}) {
    bundle.payload({"burn", "60"});
    Outcome outcome = detach(bundle, flags);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
  }
  // Its CPU time so far; with time between the two looks of a caller, a counter that runs unless it is paused.
  long cpu_us() { return atol(content(cgroup() + "/cpu.stat").substr(strlen("usage_usec ")).c_str()); }
  bool runs() {
    long before = cpu_us();
    return eventually([&] { return cpu_us() > before + 1000; });
  }
  void force_delete() {
    Outcome outcome = call({"delete", "--force", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
  }
};

TEST_F(CgroupCommands, PauseStopsACounterAndResumeLetsItGoOn) {
  Bundle bundle;
  start_burner(bundle);
  ASSERT_TRUE(runs());
  Outcome outcome = call({"pause", id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out + outcome.err, "");
  long stopped = cpu_us();
  usleep(300000);
  EXPECT_EQ(cpu_us(), stopped);
  EXPECT_EQ(status(), "paused");
  EXPECT_GT(json::parse(call({"state", id()}).out)["pid"], 1);
  EXPECT_NE(call({"list"}).out.find("paused"), std::string::npos);

  outcome = call({"resume", id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out + outcome.err, "");
  EXPECT_TRUE(runs());
  EXPECT_EQ(status(), "running");
  force_delete();
}

TEST_F(CgroupCommands, PauseAndResumeOfWhatIsSoAlreadyAreErrors) {
  Bundle bundle;
  start_burner(bundle);
  expect_refused(call({"resume", id()}), {"resume " + id() + ": container not paused: running"});
  ASSERT_EQ(call({"pause", id()}).code, 0);
  expect_refused(call({"pause", id()}), {"pause " + id() + ": container not running: it is paused already"});
  EXPECT_EQ(status(), "paused");
  expect_refused(call({"delete", id()}), {"cannot delete container " + id() + " that is not stopped: paused"});
  force_delete();
}

TEST_F(CgroupCommands, SigkillEndsAPausedContainerAndOtherSignalsWait) {
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    Bundle bundle;
    start_burner(bundle, flags);
    ASSERT_EQ(call({"pause", id()}).code, 0);
    Outcome outcome = call({"kill", id(), "TERM"});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    usleep(100000);
    EXPECT_EQ(status(), "paused");
    EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
    EXPECT_TRUE(eventually([&] { return status() == "stopped"; }));
    expect_refused(call({"resume", id()}), {"container not paused: stopped"});
    outcome = call({"delete", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
  }
}

TEST_F(CgroupCommands, ForegroundContainersArePausedAndEndedToo) {
  Bundle bundle;
  bundle.payload({"pause"});
  Running container(run_command(bundle), {});
  ASSERT_TRUE(container.wait_for("ready"));
  Outcome outcome = call({"pause", id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  container.send(SIGTERM);  // waits until it goes on
  EXPECT_EQ(status(), "paused");
  EXPECT_EQ(call({"resume", id()}).code, 0);
  EXPECT_EQ(container.finish().code, 128 + SIGTERM);
}

TEST_F(CgroupCommands, DeleteForceOfAForegroundContainerEndsIt) {
  Bundle bundle;
  bundle.payload({"pause"});
  Running container(run_command(bundle), {});
  ASSERT_TRUE(container.wait_for("ready"));
  ASSERT_EQ(call({"pause", id()}).code, 0);
  force_delete();
  Outcome outcome = container.finish();
  EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
}

TEST_F(CgroupCommands, PsListsTheWholeCgroupAndNobodyElse) {
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle, {"--pid-file", kPidFile}).code, 0);
  Outcome outcome = call({"ps", "--format", "json", id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out.back(), '\n');
  auto pids = json::parse(outcome.out).get<std::vector<int>>();
  ASSERT_EQ(pids.size(), 2u) << "the init and the workload";
  EXPECT_EQ(pids[0], container_pid());
  EXPECT_EQ(call({"ps", "-f", "json", id(), "--", "ignored"}).out, outcome.out);

  // Below it, too.
  std::string below = cgroup() + "/below";
  ASSERT_EQ(mkdir(below.c_str(), 0755), 0);
  UniqueFd procs(open((below + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  std::string text = std::to_string(pids[1]);
  ASSERT_EQ(write(procs.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  EXPECT_EQ(json::parse(call({"ps", "--format", "json", id()}).out).get<std::vector<int>>(), pids);
  force_delete();
}

// With a ps(1) of our own: what a machine has differs.
TEST_F(CgroupCommands, PsTableIsThatOfPsCutDown) {
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle, {"--no-init", "--pid-file", kPidFile}).code, 0);
  std::string pid = std::to_string(container_pid());
  make_folders(bundle.path() + "/path");
  write_new_file(bundle.path() + "/path/ps",
                 "#!/bin/sh\ncase $1 in -bad) echo no such option >&2; exit 2 ;; -nopid) echo USER; exit ;; esac\n"
                 "echo \"USER   PID ARGUMENTS\"\necho \"root 1 $*\"\necho \"root " +
                     pid + " $*\"\n",
                 0755);
  StartOptions options;
  options.env = {"PATH=" + bundle.path() + "/path:/usr/bin:/bin"};
  EXPECT_EQ(call({"ps", id()}, options).out, "USER   PID ARGUMENTS\nroot " + pid + " -ef\n");
  EXPECT_EQ(call({"ps", id(), "-o", "pid,cmd", "--format", "x"}, options).out,
            "USER   PID ARGUMENTS\nroot " + pid + " -o pid,cmd --format x\n");
  expect_refused(call({"ps", id(), "-bad"}, options), {"ps " + id(), "ps(1) failed (exit status 2): no such option"});
  expect_refused(call({"ps", id(), "-nopid"}, options), {"ps(1) printed no column PID"});
  options.env = {"PATH=/nowhere"};
  expect_refused(call({"ps", id()}, options), {"ps(1) is not in PATH"});
  EXPECT_EQ(call({"ps", "--format", "json", id()}, options).out, "[" + pid + "]\n") << "needs no ps(1)";
  force_delete();
}

TEST_F(CgroupCommands, PsOfAStoppedContainerIsEmpty) {
  Bundle bundle;
  bundle.payload({"exit", "0"});
  ASSERT_EQ(run(bundle, {"--keep"}).code, 0);
  Outcome outcome = call({"ps", "--format", "json", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out + outcome.err, "[]\n");
  ASSERT_EQ(mkdir((bundle.path() + "/path").c_str(), 0755), 0);
  write_new_file(bundle.path() + "/path/ps", "#!/bin/sh\necho 'USER PID'; echo root 1; echo root $$\n", 0755);
  StartOptions options;
  options.env = {"PATH=" + bundle.path() + "/path:/usr/bin:/bin"};
  outcome = call({"ps", id()}, options);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out + outcome.err, "USER PID\n");
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(CgroupCommands, WrongUsesAreToldByEach) {
  const std::vector<std::vector<std::string>> commands = {
      {"pause"},  {"resume"},           {"ps"}, {"ps", "--format", "json"}, {"update", "--pids-limit", "7"},
      {"events"}, {"events", "--stats"}};
  auto with_id = [](std::vector<std::string> command, const std::string& name) {
    command.push_back(name);
    return command;
  };
  for (const auto& command : commands) {
    SCOPED_TRACE(command[0]);
    expect_refused(call(with_id(command, "never-was")), {command[0] + " never-was: container does not exist\n"});
    expect_refused(call(with_id(command, "../x")), {"invalid container id"});
    expect_refused(call(command), {"ID"});
  }
  Bundle bundle;
  bundle.payload({"exit", "0"});
  ASSERT_EQ(run(bundle, {"--keep"}).code, 0);
  for (const auto& command : commands) {
    if (command[0] == "ps") continue;  // PsOfAStoppedContainerIsEmpty
    SCOPED_TRACE(command[0]);
    const char* why = command[0] == "resume" ? "container not paused: stopped\n" : "container not running\n";
    expect_refused(call(with_id(command, id())), {command[0] + " " + id() + ": " + why});
  }
  EXPECT_EQ(call({"delete", id()}).code, 0);
  for (const std::vector<std::string>& bad :
       std::vector<std::vector<std::string>>{{"pause", "--force", "x"},
                                             {"resume", "x", "y"},
                                             {"ps", "--format", "yaml", "x"},
                                             {"events", "--interval"},
                                             {"update", "--cpu-period", "soon", "x"},
                                             {"update", "--pids-limit", "1.5", "x"}}) {
    Outcome outcome = call(bad);
    EXPECT_EQ(outcome.code, 1) << describe(outcome);
    EXPECT_NE(outcome.err, "");
  }
}

}  // namespace
}  // namespace minirun::testing
