// SPDX-License-Identifier: Apache-2.0
// Commands without a container: spec, features, --version, and the log.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Spec : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    make_folders(kFolder);
  }
  void TearDown() override {
    remove_tree(kFolder);
    MinirunTest::TearDown();
  }
  Outcome spec(std::vector<std::string> flags = {}, const StartOptions& options = {}) {
    flags.insert(flags.begin(), {"spec", "--bundle", kFolder});
    return call(flags, options);
  }
  static constexpr const char* kFolder = "/run/tests/spec";
  const std::string config = std::string(kFolder) + "/config.json";
};

TEST_F(Spec, WritesAConfigThatRuns) {
  Outcome outcome = spec();
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out + outcome.err, "");
  Bundle bundle;
  bundle.config = json::parse(content(config));
  EXPECT_EQ(bundle.config["ociVersion"], "1.3.0");
  EXPECT_EQ(bundle.config["process"]["args"], json::array({"sh"}));
  EXPECT_EQ(bundle.config["root"], (json{{"path", "rootfs"}, {"readonly", true}}));
  // All else as it is: only a shell and a terminal are not to be had here.
  bundle.config["process"]["terminal"] = false;
  bundle.config["process"]["args"] = {"/bin/payload", "exit", "7"};
  bundle.config["process"]["rlimits"][0]["hard"] = 512;  // raising one takes a capability
  bundle.config["process"]["rlimits"][0]["soft"] = 512;
  outcome = run(bundle);
  EXPECT_EQ(outcome.code, 7) << describe(outcome);
}

TEST_F(Spec, IsForTheCurrentFolderWhenNoneIsNamed) {
  StartOptions options;
  options.in_child = [] {
    if (chdir(kFolder) != 0) _exit(97);
  };
  EXPECT_EQ(call({"spec"}, options).code, 0);
  EXPECT_TRUE(json::accept(content(config)));
}

TEST_F(Spec, NeverOverwritesAnything) {
  write_new_file(config, "mine", 0600);
  expect_refused(spec(), {"config.json exists in " + std::string(kFolder)});
  EXPECT_EQ(content(config), "mine");
  ASSERT_EQ(unlink(config.c_str()), 0);
  // Through a link it would write where its maker wants, also when the target is not there yet.
  ASSERT_EQ(symlink("/run/tests/elsewhere", config.c_str()), 0);
  expect_refused(spec(), {"config.json exists"});
  EXPECT_NE(access("/run/tests/elsewhere", F_OK), 0);
}

TEST_F(Spec, RootlessMapsTheCallerToRoot) {
  StartOptions options;
  options.in_child = [] {
    if (chown(kFolder, 1234, 5678) != 0 || setgid(5678) != 0 || setuid(1234) != 0) _exit(97);
  };
  // The program must be reachable for that user.
  ASSERT_TRUE(copy_program(program("MINIRUN", "minirun"), "/run/tests/minirun"));
  Outcome outcome = Running({"/run/tests/minirun", "spec", "--rootless", "-b", kFolder}, options).finish();
  EXPECT_EQ(unlink("/run/tests/minirun"), 0);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  json written = json::parse(content(config));
  json& os = written["linux"];
  EXPECT_EQ(os["uidMappings"], json::parse(R"([{"containerID": 0, "hostID": 1234, "size": 1}])"));
  EXPECT_EQ(os["gidMappings"], json::parse(R"([{"containerID": 0, "hostID": 5678, "size": 1}])"));
}

TEST_F(Spec, WrongUsesAreTold) {
  expect_refused(call({"spec", "--bundle", "/not/there"}), {"/not/there", "no such file or directory"});
  EXPECT_EQ(call({"spec", "--nosuchflag"}).code, 1);
  ASSERT_EQ(mkdir(config.c_str(), 0755), 0);
  expect_refused(spec(), {"config.json exists"});
}

class Features : public MinirunTest {};

// What CRI-O, containerd and dockerd look at.
TEST_F(Features, AreADocumentThatEnginesAccept) {
  Outcome outcome = call({"features"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  json document = json::parse(outcome.out);
  EXPECT_EQ(document["ociVersionMin"], "1.0.0");
  EXPECT_EQ(document["ociVersionMax"], "1.3.0");
  auto has = [](const json& list, const char* word) { return std::find(list.begin(), list.end(), word) != list.end(); };
  EXPECT_TRUE(has(document["mountOptions"], "rro"));
  EXPECT_TRUE(has(document["linux"]["namespaces"], "user"));
  EXPECT_EQ(document["linux"]["mountExtensions"]["idmap"]["enabled"], true);
  EXPECT_EQ(document["linux"]["cgroup"]["v2"], true);
  EXPECT_EQ(document["linux"]["cgroup"]["v1"], false);
  EXPECT_EQ(call({"features", "--nosuchflag"}).code, 1);
}

class Version : public MinirunTest {};

TEST_F(Version, HasTheLinesThatEnginesRead) {
  Outcome outcome = call({"--version"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  std::istringstream lines(outcome.out);
  std::vector<std::string> all;
  for (std::string line; std::getline(lines, line);) all.push_back(line);
  ASSERT_EQ(all.size(), 4U) << outcome.out;
  EXPECT_EQ(all[0].rfind("minirun version ", 0), 0U);
  ASSERT_EQ(all[1].rfind("commit: ", 0), 0U);
  std::string commit = all[1].substr(8);
  bool hash = commit.size() >= 40 && commit.find_first_not_of("0123456789abcdef") == std::string::npos;
  EXPECT_TRUE(hash || commit == "unknown") << commit;
  EXPECT_EQ(all[2], "spec: 1.3.0");
  EXPECT_EQ(all[3].rfind("libseccomp: 2.", 0), 0U);
  EXPECT_EQ(outcome.out.find("version"), outcome.out.rfind("version"));
}

class Log : public MinirunTest {
 protected:
  void TearDown() override {
    (void)unlink(kLog);  // where the test made one
    MinirunTest::TearDown();
  }
  static constexpr const char* kLog = "/run/tests/log";
};

TEST_F(Log, HasOneObjectPerFailureForEveryCommand) {
  for (const char* command : {"state", "kill", "delete", "stop", "wait"}) {
    (void)unlink(kLog);
    Outcome outcome = call({"--log", kLog, "--log-format=json", command, "never-was"});
    EXPECT_EQ(outcome.code, 1);
    json entry = json::parse(content(kLog), nullptr, false);  // refuses a second object
    ASSERT_TRUE(entry.is_object()) << content(kLog);
    EXPECT_EQ(entry["level"], "error");
    std::string message = entry["msg"];
    EXPECT_NE(message.find("container does not exist"), std::string::npos) << message;
    EXPECT_EQ(outcome.err, "minirun: " + message + "\n");
    std::string time = entry["time"];
    ASSERT_EQ(time.size(), 20U) << time;
    EXPECT_EQ(time[4] == '-' && time[10] == 'T' && time[13] == ':' && time[19] == 'Z', true) << time;
  }
}

TEST_F(Log, OfASuccessIsEmpty) {
  EXPECT_EQ(call({"--log", kLog, "--log-format", "json", "list"}).code, 0);
  EXPECT_EQ(content(kLog), "");
}

TEST_F(Log, ThatCannotBeOpenedIsTold) {
  expect_refused(call({"--log", "/not/there/log", "list"}), {"--log: open /not/there/log: no such file or directory"});
  expect_refused(call({"--log", "/run", "--log-format", "json", "list"}), {"--log: open /run: is a directory"});
  EXPECT_EQ(call({"--log-format", "xml", "list"}).code, 1);
}

TEST_F(Log, GoesToANamedPipeToo) {
  ASSERT_EQ(mkfifo(kLog, 0600), 0);
  UniqueFd reader(open(kLog, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  EXPECT_EQ(call({"--log", kLog, "--log-format", "json", "state", "never-was"}).code, 1);
  char text[4096];
  ssize_t n = read(reader.get(), text, sizeof text);
  ASSERT_GT(n, 0);
  EXPECT_TRUE(json::accept(std::string(text, static_cast<size_t>(n))));
}

}  // namespace
}  // namespace minirun::testing
