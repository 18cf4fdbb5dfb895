// SPDX-License-Identifier: Apache-2.0
// Configurations that cannot be run: a clear error with its place in the file, status 1, and nothing made.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class BadInput : public MinirunTest {
 protected:
  Outcome run_raw(const std::string& text) {
    Bundle bundle;
    bundle.write_raw(text);
    return call({"run", "--bundle", bundle.path(), id()});
  }
  // The default config with one change.
  Outcome run_with(const std::string& pointer, const json& value) {
    Bundle bundle;
    bundle.payload({"true"});
    bundle.config[json::json_pointer(pointer)] = value;
    return run(bundle);
  }
};

TEST_F(BadInput, MissingBundleAndMissingConfig) {
  expect_refused(call({"run", "--bundle", "/no/such/bundle", id()}), {"/no/such/bundle", "no such file or directory"});
  make_folders("/run/tests/bundle-empty");
  expect_refused(call({"run", "--bundle", "/run/tests/bundle-empty", id()}),
                 {"config.json", "no such file or directory"});
  remove_tree("/run/tests/bundle-empty");
}

TEST_F(BadInput, ConfigThatIsNoFile) {
  Bundle bundle;
  make_folders(bundle.path() + "/config.json");
  expect_refused(call({"run", "--bundle", bundle.path(), id()}), {"config.json"});
  ASSERT_EQ(rmdir((bundle.path() + "/config.json").c_str()), 0);
  // A pipe without a writer must not make minirun wait for ever.
  ASSERT_EQ(mkfifo((bundle.path() + "/config.json").c_str(), 0644), 0);
  expect_refused(call({"run", "--bundle", bundle.path(), id()}), {"config.json"});
}

TEST_F(BadInput, TextThatIsNotJson) {
  for (const std::string text : {"", " ", "{", "[]", "null", "42", "{\"ociVersion\": }", "{} {}", "\xef\xbb\xbf",
                                 "{\"a\": 1,}", "{'a': 1}", "{\"a\": NaN}"}) {
    expect_refused(run_raw(text), {"config.json"});
  }
}

TEST_F(BadInput, InvalidUtf8) {
  expect_refused(run_raw("{\"ociVersion\": \"1.0.\xff\"}"), {"config.json"});
}

// ESC [ has a second form, U+009B, which is one byte in Latin-1.
TEST_F(BadInput, NoNameReachesTheTerminalAsACommand) {
  const std::string evil =
                        "a\xc2\x9b"
                        "2J-\x9b"
                        "2J-\x1b[2J-\u00e9",
                    shown = "a\\xc2\\x9b2J-\\x9b2J-\\x1b[2J-\u00e9";
  expect_refused(call({"run", "--bundle", "/no/such/" + evil, id()}), {"/no/such/" + shown});
  Outcome wrong = call({"state", "x", evil});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_NE(wrong.err.find(shown), std::string::npos) << describe(wrong);
  Bundle bundle;
  bundle.payload({"pause"});
  bundle.config["hostname"] = "h\u009b2J";
  bundle.write();
  Outcome plan = call({"plan", bundle.path()});
  EXPECT_NE(plan.out.find("h\\xc2\\x9b2J"), std::string::npos) << describe(plan);
  EXPECT_EQ(plan.out.find("\u009b"), std::string::npos);
  const std::string renamed =
      "/run/tests/a\xc2\x9b"
      "2J-\x1b[2J";
  ASSERT_EQ(rename(bundle.path().c_str(), renamed.c_str()), 0);
  EXPECT_EQ(call({"run", "--detach", "--bundle", renamed, id()}).code, 0);
  Outcome list = call({"list"});
  EXPECT_NE(list.out.find("/run/tests/a\\xc2\\x9b2J-\\x1b[2J "), std::string::npos) << describe(list);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  ASSERT_EQ(rename(renamed.c_str(), bundle.path().c_str()), 0);
}

TEST_F(BadInput, NestingOfAHundredThousand) {
  expect_refused(run_raw("{\"x\": " + std::string(100000, '[') + std::string(100000, ']') + "}"), {"config.json"});
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"x\":";
  expect_refused(run_raw(objects), {"config.json"});
}

TEST_F(BadInput, HundredMegabytes) {
  Bundle bundle;
  bundle.write_raw("{\"annotations\": {\"x\": \"");
  ASSERT_EQ(truncate((bundle.path() + "/config.json").c_str(), 100 << 20), 0);
  Outcome outcome = call({"run", "--bundle", bundle.path(), id()});
  expect_refused(outcome, {"config.json"});
  EXPECT_LT(outcome.err.size(), 4096U);
}

TEST_F(BadInput, AllProblemsAtOnce) {
  Bundle bundle;
  bundle.config["process"]["cwd"] = "relative";
  bundle.config["process"]["args"] = json::array();
  bundle.config["root"]["path"] = "nosuchroot";
  bundle.config["mounts"][0]["destination"] = 5;
  bundle.config["linux"]["namespaces"].push_back({{"type", "flavour"}});
  bundle.config["process"]["user"]["umask"] = 01000;
  expect_refused(run(bundle), {"/process/cwd", "/process/args", "/root/path", "/mounts/0/destination",
                               "/linux/namespaces/6/type", "flavour", "/process/user/umask"});
}

TEST_F(BadInput, WrongTypesAreNamedWithWhatIsAllowed) {
  expect_refused(run_with("/process/args", "ls -l"), {"/process/args", "array"});
  expect_refused(run_with("/process/terminal", "yes"), {"/process/terminal"});
  expect_refused(run_with("/mounts", json::object()), {"/mounts"});
  expect_refused(run_with("/process/env/0", 1), {"/process/env/0"});
  expect_refused(run_with("/linux", json::array()), {"/linux"});
}

TEST_F(BadInput, NumbersOutOfRange) {
  expect_refused(run_with("/process/user/uid", 4294967296), {"/process/user/uid"});
  expect_refused(run_with("/process/user/uid", -1), {"/process/user/uid"});
  expect_refused(run_with("/process/user/gid", 1.5), {"/process/user/gid"});
  expect_refused(run_with("/process/oomScoreAdj", 1001), {"/process/oomScoreAdj"});
  expect_refused(
      run_raw(R"({"ociVersion": "1.0.0", "process": {"cwd": "/", "args": ["x"], "user": {"uid": 1e400, "gid": 0}}})"),
      {"config.json"});
}

TEST_F(BadInput, ZeroBytesInStrings) {
  expect_refused(run_with("/process/args/1", std::string("a\0b", 3)), {"/process/args/1"});
  expect_refused(run_with("/root/path", std::string("rootfs\0", 7)), {"/root/path"});
  expect_refused(run_with("/process/env/0", std::string("A=\0", 3)), {"/process/env/0"});
  expect_refused(run_with("/mounts/0/destination", std::string("/proc\0x", 7)), {"/mounts/0/destination"});
}

TEST_F(BadInput, DuplicateNamespacesAndRlimits) {
  expect_refused(run_with("/linux/namespaces/6", {{"type", "pid"}}), {"/linux/namespaces/6", "pid"});
  json limit = {{"type", "RLIMIT_CORE"}, {"soft", 0}, {"hard", 0}};
  expect_refused(run_with("/process/rlimits", {limit, limit}), {"/process/rlimits/1", "RLIMIT_CORE"});
}

TEST_F(BadInput, RootfsThatIsMissingOrNoFolder) {
  expect_refused(run_with("/root/path", "nosuchroot"), {"/root/path", "nosuchroot"});
  expect_refused(run_with("/root/path", "config.json"), {"/root/path", "config.json"});
  expect_refused(run_with("/root/path", ""), {"/root/path"});
}

TEST_F(BadInput, RlimitsThatContradictThemselves) {
  json rlimits = {{{"type", "RLIMIT_NOFILE"}, {"soft", 20}, {"hard", 10}}};
  expect_refused(run_with("/process/rlimits", rlimits), {"/process/rlimits/0"});
  rlimits[0]["type"] = "RLIMIT_FUN";
  expect_refused(run_with("/process/rlimits", rlimits), {"/process/rlimits/0/type", "RLIMIT_FUN"});
}

TEST_F(BadInput, VersionOfTheFutureOrNone) {
  expect_refused(run_with("/ociVersion", "2.0.0"), {"/ociVersion", "2.0.0"});
  expect_refused(run_with("/ociVersion", "soon"), {"/ociVersion", "soon"});
  Bundle bundle;
  bundle.config.erase("ociVersion");
  expect_refused(run(bundle), {"ociVersion"});
}

TEST_F(BadInput, RequiredPropertiesAreMissed) {
  Bundle bundle;
  bundle.config.erase("root");
  expect_refused(run(bundle), {"root"});
  Bundle second;
  second.config["process"].erase("cwd");
  expect_refused(run(second), {"cwd"});
  Bundle third;
  third.config.erase("process");
  expect_refused(run(third), {"process"});
}

TEST_F(BadInput, UnknownPropertiesAreIgnored) {
  Bundle bundle;
  bundle.config["somethingNew"] = {{"deep", {1, 2, 3}}};
  bundle.config["linux"]["flavour"] = "sweet";
  bundle.payload({"exit", "5"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 5) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
}

TEST_F(BadInput, RunNeedsAProcess) {
  Bundle bundle;
  bundle.config.erase("process");
  expect_refused(run(bundle), {"/process", "is required to run"});
}

TEST_F(BadInput, EmptyStringsWhereThereMustBeSomething) {
  expect_refused(run_with("/process/args/0", ""), {"/process/args/0"});
  expect_refused(run_with("/process/cwd", ""), {"/process/cwd"});
  expect_refused(run_with("/mounts/0/destination", ""), {"/mounts/0/destination"});
  expect_refused(run_with("/hostname", std::string(65, 'h')), {"/hostname"});
}

}  // namespace
}  // namespace minirun::testing
