// SPDX-License-Identifier: Apache-2.0
// What went wrong, for programs: the keys of an error in the JSON log.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/exec_fixture.h"
#include "tests/support/json_schema.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class StructuredErrors : public ExecTest {
 protected:
  void TearDown() override {
    (void)unlink(kLog);  // where the test made one
    ExecTest::TearDown();
  }
  // The one record of a command that fails.
  json record_of(std::vector<std::string> args, int code) {
    (void)unlink(kLog);
    args.insert(args.begin(), {"--log", kLog, "--log-format", "json"});
    Outcome outcome = call(args);
    EXPECT_EQ(outcome.code, code) << describe(outcome);
    return checked_record(outcome);
  }
  static json checked_record(const Outcome& outcome) {
    json record = json::parse(content(kLog), nullptr, false);  // refuses a second object
    EXPECT_EQ(schema_problem(error_schema(), record), "") << content(kLog);
    if (!record.is_object()) return json::object();
    EXPECT_EQ("minirun: " + record.value("msg", "") + "\n", outcome.err);
    EXPECT_EQ(record.value("exit_status", 0), outcome.code);
    return record;
  }
  std::vector<std::string> run_words(const std::string& command = "run") {
    bundle_.write();
    return {command, "--bundle", bundle_.path(), id()};
  }
  static constexpr const char* kLog = "/run/tests/log";
};

TEST_F(StructuredErrors, OfTheCommandLineAreUsage) {
  EXPECT_EQ(record_of({"run", "--nosuchflag"}, 1)["kind"], "usage");
  EXPECT_EQ(record_of({"kill", "--nosuchflag"}, 1)["kind"], "usage");
  EXPECT_EQ(record_of({"exec", "--nosuchflag", id()}, 255)["kind"], "usage");
  EXPECT_EQ(record_of({"nosuchcommand"}, 1)["kind"], "usage");
}

TEST_F(StructuredErrors, OfAConfigHavePointersAndAllProblems) {
  bundle_.config["process"]["cwd"] = "relative";
  bundle_.config["mounts"].push_back({{"destination", "/x"}, {"type", 7}});
  json record = record_of(run_words(), 1);
  EXPECT_EQ(record["kind"], "config");
  ASSERT_EQ(record["problems"].size(), 2U) << record;
  EXPECT_EQ(record["pointer"], record["problems"][0]["pointer"]);
  std::string all = record["problems"].dump();
  EXPECT_NE(all.find("/process/cwd"), std::string::npos) << all;
  EXPECT_NE(all.find("/type\""), std::string::npos) << all;
}

TEST_F(StructuredErrors, OfTheMachineHaveTheErrnoByName) {
  json record = record_of({"run", "--bundle", "/not/there", id()}, 1);
  EXPECT_EQ(record["kind"], "host");
  EXPECT_EQ(record["errno"], "ENOENT");
  bundle_.config["mounts"].push_back({{"destination", "/x"}, {"type", "nosuchfs"}, {"source", "x"}});
  const std::string pointer = "/mounts/" + std::to_string(bundle_.config["mounts"].size() - 1);
  record = record_of(run_words(), 1);
  EXPECT_EQ(record["kind"], "host");
  EXPECT_EQ(record["pointer"], pointer);
  EXPECT_EQ(record["call"], "fsopen");
  EXPECT_EQ(record["errno"], "ENODEV");
  EXPECT_EQ(record["hints"].size(), 1U);
}

TEST_F(StructuredErrors, OfAStepHaveItsNumberPlaceCallAndPath) {
  bundle_.config["linux"]["sysctl"]["net.nosuch"] = "1";
  json record = record_of(run_words(), 1);
  EXPECT_EQ(record["kind"], "setup");
  EXPECT_EQ(record["pointer"], "/linux/sysctl/net.nosuch");
  EXPECT_EQ(record["errno"], "ENOENT");
  EXPECT_NE(record.value("path", "").find("net/nosuch"), std::string::npos) << record;
  EXPECT_NE(record.value("call", ""), "") << record;
  EXPECT_LE(record.value("step", 1000), record.value("steps", 0)) << record;
}

TEST_F(StructuredErrors, OfAHookAreSetup) {
  bundle_.config["hooks"]["createRuntime"] = {{{"path", "/not/there"}}};
  json record = record_of(run_words(), 1);
  EXPECT_EQ(record["kind"], "setup");
  EXPECT_EQ(record["pointer"], "/hooks/createRuntime/0");
}

TEST_F(StructuredErrors, OfTheProgramHaveTheStatusOfShells) {
  bundle_.config["process"]["args"] = {"/not/there"};
  for (const char* command : {"run", "create"}) {
    json record = record_of(run_words(command), 127);
    EXPECT_EQ(record["kind"], "exec") << command;
    EXPECT_EQ(record["errno"], "ENOENT") << command;
    EXPECT_EQ(record["call"], "execve") << command;
  }
  start();
  EXPECT_EQ(record_of({"exec", id(), "/not/there"}, 127)["kind"], "exec");
  EXPECT_EQ(record_of({"exec", id(), "/etc"}, 126)["kind"], "exec");
  end();
}

TEST_F(StructuredErrors, OfAStateHaveNoWordOfTheKernel) {
  json record = record_of({"state", "never-was"}, 1);
  EXPECT_EQ(record["kind"], "state");
  EXPECT_FALSE(record.contains("errno")) << record;
  EXPECT_EQ(record_of({"exec", "never-was", "x"}, 255)["kind"], "state");
}

TEST_F(StructuredErrors, OfAContainerThatAnotherCommandHoldsAreBusy) {
  start();
  UniqueFd directory(open((std::string(kState) + "/" + id()).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(syscall(SYS_flock, directory.get(), LOCK_EX), 0);
  EXPECT_EQ(record_of({"pause", id()}, 1)["kind"], "busy");
  directory.reset();
  end();
}

TEST_F(StructuredErrors, OfALaunchThatASignalEndsAreAborted) {
  ASSERT_TRUE(bundle_.add_busybox({"sleep"}));
  const std::string ready = "/run/tests/hook-runs";
  bundle_.config["hooks"]["createRuntime"] = {
      {{"path", "/bin/busybox"}, {"args", {"sh", "-c", "/bin/busybox touch " + ready + "; /bin/busybox sleep 1000"}}}};
  std::vector<std::string> args = run_words();
  args.insert(args.begin(), {"--log", kLog, "--log-format", "json"});
  Running running(minirun(args), {});
  ASSERT_TRUE(eventually([&] { return access(ready.c_str(), F_OK) == 0; }));
  running.send(SIGTERM);
  Outcome outcome = running.finish();
  EXPECT_EQ(outcome.code, 128 + SIGTERM) << describe(outcome);
  EXPECT_EQ(checked_record(outcome)["kind"], "aborted");
  EXPECT_EQ(unlink(ready.c_str()), 0);
}

TEST_F(StructuredErrors, AreJsonWhateverANameHolds) {
  bundle_.config["process"]["args"] = {"/\"\\\n\x01"};
  json record = record_of(run_words(), 127);
  EXPECT_EQ(record["path"], "/\"\\\n\x01") << record;
}

// The check itself: each of these is no record.
TEST_F(StructuredErrors, SchemaRefusesWhatIsNone) {
  const json good = record_of({"state", "never-was"}, 1);
  for (const char* key : {"level", "msg", "time", "kind", "exit_status"}) {
    json less = good;
    less.erase(key);
    EXPECT_NE(schema_problem(error_schema(), less), "") << key;
  }
  for (auto [key, value] : std::initializer_list<std::pair<const char*, json>>{{"level", "ERROR"},
                                                                               {"time", "yesterday"},
                                                                               {"kind", "other"},
                                                                               {"exit_status", 256},
                                                                               {"step", "9"},
                                                                               {"pointer", "mounts"},
                                                                               {"hints", {1}},
                                                                               {"problems", {{{"pointer", "/x"}}}},
                                                                               {"unheard-of", 1}}) {
    json other = good;
    other[key] = value;
    EXPECT_NE(schema_problem(error_schema(), other), "") << key;
  }
}

}  // namespace
}  // namespace minirun::testing
