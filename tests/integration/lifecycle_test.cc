// SPDX-License-Identifier: Apache-2.0
// The command line: --detach, --pid-file, --keep, ids, bundles, logs, delete.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <sstream>

#include "sys/file.h"
#include "tests/support/fixture.h"
#include "tests/support/input.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Lifecycle : public MinirunTest {
 protected:
  void TearDown() override {
    (void)unlink("/run/tests/log");  // where the test made one
    MinirunTest::TearDown();
  }
};

TEST_F(Lifecycle, VersionSaysWhichSpec) {
  Outcome outcome = call({"--version"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out.rfind("minirun version ", 0), 0U) << outcome.out;
  EXPECT_NE(outcome.out.find("\nspec: 1.3."), std::string::npos) << outcome.out;
  // dockerd takes every line with this word for the version.
  EXPECT_EQ(outcome.out.find("version"), outcome.out.rfind("version"));
  EXPECT_EQ(outcome.err, "");
}

TEST_F(Lifecycle, PositionalBundleAndMadeUpId) {
  Bundle bundle;
  bundle.payload({"exit", "5"});
  bundle.write();
  EXPECT_EQ(call({"run", bundle.path()}).code, 5);
  EXPECT_EQ(call({"run", bundle.path() + "/"}).code, 5);
  EXPECT_EQ(call({"run", bundle.path(), "with-id"}).code, 5);
  EXPECT_EQ(call({"run", "-b", bundle.path(), "with-id"}).code, 5);
  EXPECT_EQ(call({"run", "--bundle=" + bundle.path(), "with-id"}).code, 5);
}

TEST_F(Lifecycle, DebugLogsTheStepsWithNumbersAndWhatWasDoneWithTimes) {
  Bundle bundle;
  bundle.payload({"exit", "3"});
  bundle.write();
  std::vector<std::string> args = {"--debug", "--log", "/run/tests/log", "--log-format", "json"};
  args.insert(args.end(), {"run", "--bundle", bundle.path(), id()});
  Outcome outcome = call(args);
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(outcome.err, "") << "the log has it";
  std::string done, steps;
  std::istringstream lines(content("/run/tests/log"));
  double last = 0;
  for (std::string line; std::getline(lines, line);) {
    json record = json::parse(line);
    EXPECT_EQ(record["level"], "debug");
    std::string text = record["msg"];
    if (text.find(": step ") != std::string::npos) steps += text + "\n";
    if (text[0] != '+') continue;
    double time = std::stod(text.substr(1));
    EXPECT_GE(time, last) << text;
    last = time;
    done += text.substr(text.find(": ") + 2) + "\n";
  }
  for (const char* part : {"read, checked and compiled", "cgroup /minirun-", "first process is ", "the workload runs",
                           "ended with status 3", "nothing is left"}) {
    size_t at = done.find(part);
    EXPECT_NE(at, std::string::npos) << part << "\n" << done;
    done.erase(0, at == std::string::npos ? 0 : at);
  }
  std::string count = std::to_string(std::count(steps.begin(), steps.end(), '\n'));
  EXPECT_NE(steps.find(": step 1 of " + count + ": "), std::string::npos) << steps;
  EXPECT_NE(call({"plan", bundle.path()}).out.find(" " + count + " execute "), std::string::npos) << "the same numbers";
}

TEST_F(Lifecycle, MadeUpIdOfADetachedRunIsPrinted) {
  Bundle bundle;
  bundle.payload({"cat"});  // waits without a word
  bundle.write();
  Input pipe;
  Outcome outcome = call({"run", "--detach", bundle.path()}, pipe.options());
  ASSERT_EQ(outcome.out.size(), 13U) << describe(outcome);
  EXPECT_EQ(outcome.out.back(), '\n');
  std::string made_up = outcome.out.substr(0, 12);
  EXPECT_EQ(json::parse(call({"state", made_up}).out)["status"], "running");
  EXPECT_EQ(call({"delete", "--force", made_up}).code, 0);

  bundle.payload({"exit", "0"});
  EXPECT_EQ(detach(bundle).out, "") << "engines read what a runtime prints";
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_EQ(call({"run", bundle.path()}).out, "") << "in the foreground stdout is the workload's alone";
  bundle.config["process"]["args"] = {"nosuchcommand"};
  bundle.write();
  EXPECT_EQ(call({"run", "--detach", bundle.path()}).out, "") << "none that runs";
}

TEST_F(Lifecycle, BundleIsTheCurrentFolderWhenNoneIsNamed) {
  Bundle bundle;
  bundle.payload({"exit", "5"});
  bundle.write();
  StartOptions options;
  options.in_child = [&] {
    if (chdir(bundle.path().c_str()) != 0) _exit(97);
  };
  Outcome outcome = call({"run", "in-cwd"}, options);
  EXPECT_EQ(outcome.code, 5) << describe(outcome);
  EXPECT_EQ(call({"run", "--bundle", ".", "in-cwd"}, options).code, 5);
}

TEST_F(Lifecycle, DetachReturnsAtOnceAndLeavesAChildOfTheCaller) {
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  Bundle bundle;
  bundle.payload({"exit-on", std::to_string(SIGTERM), "6"});
  Outcome outcome = detach(bundle, {"--pid-file", kPidFile});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  // Decimal, without a newline, complete.
  auto text = read_file(AT_FDCWD, kPidFile);
  ASSERT_TRUE(text.ok());
  pid_t pid = atoi(text->c_str());
  ASSERT_GT(pid, 1);
  EXPECT_EQ(*text, std::to_string(pid));
  EXPECT_EQ(content("/proc/" + *text + "/root/etc/passwd").substr(0, 4), "root");
  // The workload, not a monitor of minirun's, is what the caller waits for; and it has all of its handlers by then or
  // soon.
  ASSERT_EQ(kill(pid, 0), 0);
  auto ended = [&] {
    kill(pid, SIGTERM);
    int status = 0;
    return waitpid(pid, &status, WNOHANG) == pid && (WIFEXITED(status) ? WEXITSTATUS(status) : -1) >= 0;
  };
  EXPECT_TRUE(eventually(ended));
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(Lifecycle, PidFileOfAFailedLaunchIsTakenBack) {
  Bundle bundle;
  bundle.config["process"]["args"] = {"/not/there"};
  Outcome outcome = detach(bundle, {"--pid-file", kPidFile});
  EXPECT_EQ(outcome.code, 127) << describe(outcome);
  EXPECT_NE(access(kPidFile, F_OK), 0) << "a pid that may be reused soon";
}

TEST_F(Lifecycle, DeleteRefusesARunningContainerAndForceKillsIt) {
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle).code, 0);
  expect_refused(call({"delete", id()}), {id(), "not stopped", "running"});
  Outcome outcome = call({"delete", "--force", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
}

TEST_F(Lifecycle, StateListAndKillOfADetachedContainer) {
  Bundle bundle;
  bundle.payload({"exit-on", std::to_string(SIGTERM), "6"});
  bundle.config["annotations"] = {{"org.example.key", "value"}};
  ASSERT_EQ(detach(bundle, {"--pid-file", kPidFile}).code, 0);
  auto pid = read_file(AT_FDCWD, kPidFile);
  ASSERT_TRUE(pid.ok());

  Outcome outcome = call({"state", id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "") << "containerd reads stdout and stderr together";
  nlohmann::json state = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(state["ociVersion"], "1.3.0");
  EXPECT_EQ(state["id"], id());
  EXPECT_EQ(state["status"], "running");
  EXPECT_EQ(std::to_string(state["pid"].get<int>()), *pid);
  EXPECT_EQ(state["bundle"], bundle.path());
  EXPECT_EQ(state["annotations"]["org.example.key"], "value");

  EXPECT_EQ(call({"list", "--quiet"}).out, id() + "\n");
  nlohmann::json list = nlohmann::json::parse(call({"list", "--format", "json"}).out);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["id"], id());

  expect_refused(call({"kill", id(), "NOSUCH"}), {"unknown signal"});
  auto stopped = [&] {
    (void)call({"kill", id(), "SIGTERM"});  // again: the workload may not have its handler yet
    return nlohmann::json::parse(call({"state", id()}).out)["status"] == "stopped";
  };
  EXPECT_TRUE(eventually(stopped));
  EXPECT_EQ(nlohmann::json::parse(call({"state", id()}).out)["pid"], 0);
  expect_refused(call({"kill", id()}), {"container not running: no such process"});
  EXPECT_EQ(call({"delete", id()}).code, 0);
  expect_refused(call({"state", id()}), {"container does not exist"});
}

TEST_F(Lifecycle, DeleteOfNothing) {
  expect_refused(call({"delete", "never-was"}), {"never-was", "does not exist"});
  Outcome outcome = call({"delete", "--force", "never-was"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
}

TEST_F(Lifecycle, KeepLeavesTheContainerUntilItIsDeleted) {
  Bundle bundle;
  bundle.payload({"exit", "2"});
  EXPECT_EQ(run(bundle, {"--keep"}).code, 2);
  // Still there: its id is taken.
  expect_refused(run(bundle), {id(), "exist"});
  EXPECT_EQ(call({"delete", id()}).code, 0);
  EXPECT_EQ(run(bundle).code, 2);
}

TEST_F(Lifecycle, IdInUseIsRefusedAndTheFirstLivesOn) {
  Bundle bundle;
  bundle.payload({"pause"});
  Running first(run_command(bundle), {});
  ASSERT_TRUE(first.wait_for("ready")) << first.err();
  expect_refused(run(bundle), {"container with given ID already exists"});
  first.send(SIGTERM);
  EXPECT_EQ(first.finish().code, 128 + SIGTERM);
}

TEST_F(Lifecycle, ImpossibleIdsAreRefused) {
  Bundle bundle;
  bundle.payload({"true"});
  bundle.write();
  for (const std::string bad : {".", "..", "a/b", "/abs", "sp ace", "new\nline", "ünï", ""}) {
    Outcome outcome = call({"run", "--bundle", bundle.path(), bad});
    EXPECT_EQ(outcome.code, 1) << bad << ": " << describe(outcome);
    EXPECT_NE(outcome.err, "") << bad;
  }
  expect_refused(call({"run", "--bundle", bundle.path(), std::string(2000, 'x')}), {"id"});
  for (const std::string& good :
       {std::string("a"), std::string("A_b+c.d-e"), std::string("9"), std::string(100, 'x')}) {
    Outcome outcome = call({"run", "--bundle", bundle.path(), good});
    EXPECT_EQ(outcome.code, 0) << good << ": " << describe(outcome);
  }
}

TEST_F(Lifecycle, ManyAtOnce) {
  Bundle bundle;
  bundle.payload({"exit", "5"});
  bundle.write();
  std::vector<std::unique_ptr<Running>> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(std::make_unique<Running>(minirun({"run", "--bundle", bundle.path(), "many" + std::to_string(i)}),
                                            StartOptions()));
  }
  for (auto& one : all) {
    Outcome outcome = one->finish();
    EXPECT_EQ(outcome.code, 5) << describe(outcome);
  }
}

TEST_F(Lifecycle, OneOfManyWithTheSameIdWins) {
  Bundle bundle;
  bundle.payload({"pause"});
  bundle.write();
  std::vector<std::unique_ptr<Running>> all;
  for (int i = 0; i < 8; ++i) {
    all.push_back(std::make_unique<Running>(minirun({"run", "--bundle", bundle.path(), "same"}), StartOptions()));
  }
  // Each is refused or runs; the one that runs stays until the others have been refused.
  std::vector<Running*> winners;
  for (auto& one : all) {
    if (one->wait_for("ready")) {
      winners.push_back(one.get());
    } else {
      EXPECT_EQ(one->finish().code, 1);
    }
  }
  EXPECT_EQ(winners.size(), 1U);
  for (Running* one : winners) {
    one->send(SIGTERM);
    EXPECT_EQ(one->finish().code, 128 + SIGTERM);
  }
}

TEST_F(Lifecycle, LogHasOneJsonObjectPerFailureAndNothingElse) {
  Bundle bundle;
  bundle.payload({"true"});
  bundle.write();
  std::vector<std::string> flags = {"--log", "/run/tests/log", "--log-format", "json"};
  auto with = [&](std::vector<std::string> rest) {
    std::vector<std::string> args = flags;
    args.insert(args.end(), rest.begin(), rest.end());
    return call(args);
  };
  EXPECT_EQ(with({"run", "--bundle", bundle.path(), id()}).code, 0);
  EXPECT_TRUE(content("/run/tests/log") == "" || content("/run/tests/log") == "(none)") << content("/run/tests/log");
  bundle.config["mounts"].push_back({{"destination", "/x"}, {"type", "nosuchfs"}, {"source", "x"}});
  bundle.write();
  Outcome outcome = with({"run", "--bundle", bundle.path(), id()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("nosuchfs"), std::string::npos);
  json entry = json::parse(content("/run/tests/log"), nullptr, false);
  ASSERT_TRUE(entry.is_object()) << content("/run/tests/log");
  EXPECT_EQ(entry["level"], "error");
  EXPECT_NE(entry["msg"].get<std::string>().find("nosuchfs"), std::string::npos);
  // RFC 3339, to the second or finer.
  EXPECT_EQ(entry["time"].get<std::string>().size() >= 20 && entry["time"].get<std::string>()[10] == 'T', true)
      << entry;
}

TEST_F(Lifecycle, DebugTalksAndChangesNothing) {
  Bundle bundle;
  bundle.payload({"exit", "3"});
  bundle.config["unknownProperty"] = {{"deep", 1}};
  bundle.write();
  Outcome outcome = call({"--debug", "run", "--bundle", bundle.path(), id()});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.err.find("unknownProperty"), std::string::npos) << outcome.err;
  outcome = run(bundle);
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(outcome.err, "");
}

TEST_F(Lifecycle, WrongUsageIsExplained) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"nosuchcommand"}, {"run", "--nosuchflag"}, {"delete"}, {}, {"run", "--bundle"}}) {
    Outcome outcome = call(args);
    EXPECT_EQ(outcome.code, 1) << describe(outcome);
    EXPECT_NE(outcome.err, "");
  }
}

TEST_F(Lifecycle, PlanPrintsTheStepsAndMakesNothing) {
  Bundle bundle;
  bundle.write();
  Traces before = take_traces();
  Outcome outcome = call({"plan", bundle.path()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.out.find("/dev/shm"), std::string::npos) << outcome.out;
  EXPECT_NE(call({"plan", "--no-init", bundle.path()}).out, outcome.out);
  outcome = call({"plan", bundle.path(), "--format", "json"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_TRUE(json::accept(outcome.out)) << outcome.out;
  EXPECT_EQ(take_traces(), before);
}

TEST_F(Lifecycle, DefaultStateFolderIsMadeAndEmptyAfterwards) {
  Bundle bundle;
  bundle.payload({"exit", "4"});
  bundle.write();
  Running container({program("MINIRUN", "minirun"), "run", bundle.path(), id()}, {});
  EXPECT_EQ(container.finish().code, 4) << container.err();
  for (const std::string& trace : take_traces()) {
    if (trace.rfind("file /run/tests", 0) == 0) continue;
    EXPECT_EQ(trace.find(id()), std::string::npos) << trace;
  }
  remove_tree("/run/minirun");
}

TEST_F(Lifecycle, StateFolderIsForItsOwnerOnly) {
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle).code, 0);
  struct stat info {};
  ASSERT_EQ(stat((std::string(kState) + "/" + id()).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 077, 0U) << info.st_mode;
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Lifecycle, ChangesToTheBundleDoNotReachARunningContainer) {
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle).code, 0);
  bundle.write_raw("not even json");
  Outcome outcome = call({"delete", "--force", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
}

}  // namespace
}  // namespace minirun::testing
