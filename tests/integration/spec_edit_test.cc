// SPDX-License-Identifier: Apache-2.0
// The options of spec: what they write runs, and what --edit does to a file.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>

#include "tests/support/refused_call.h"
#include "tests/support/rootless_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

class SpecEdit : public RootlessTest {
 protected:
  void SetUp() override {
    RootlessTest::SetUp();
    make_folders(kFolder);
    ASSERT_EQ(call({"spec", "--bundle", kFolder}).code, 0);
  }
  void TearDown() override {
    remove_tree(kFolder);
    RootlessTest::TearDown();
  }
  Outcome edit(Words options, const StartOptions& start = {}) const {
    options.insert(options.begin(), {"spec", "--edit", config()});
    return call(options, start);
  }
  void write_text(const std::string& text) const {
    ASSERT_EQ(unlink(config().c_str()), 0);
    write_new_file(config(), text, 0644);
  }
  std::string whole() const { return read_file(AT_FDCWD, config(), 32 << 20).value(); }
  // All that the folder has.
  static size_t files() {
    size_t count = 0;
    for (const char* name : {"config.json", ".config.json.minirun", "config.json.conflict", "config.json.new"})
      count += access((std::string(kFolder) + "/" + name).c_str(), F_OK) == 0;
    return count;
  }
  static std::string config() { return std::string(kFolder) + "/config.json"; }
  static constexpr const char* kFolder = "/run/tests/spec";
};

TEST_F(SpecEdit, OptionsOfANewOneAreWhatTheWorkloadSees) {
  Bundle bundle;
  write_new_file(std::string(kFolder) + "/data", "x", 0644);
  StartOptions start;
  start.env.emplace_back("FROM_OUTSIDE=yes");
  start.in_child = [] {
    if (chdir(kFolder) != 0) _exit(97);
  };
  Outcome outcome = call({"spec",
                          "--bundle",
                          bundle.path(),
                          "--env",
                          "A=b",
                          "-e",
                          "FROM_OUTSIDE",
                          "-e",
                          "NOT_THERE",
                          "--env=TERM=dumb",
                          "--cwd",
                          "/scratch",
                          "--user",
                          "7:8",
                          "--no-terminal",
                          "--bind",
                          "./data:/data:ro",
                          "--tmpfs",
                          "/scratch:size=64k,mode=1777",
                          "--hostname",
                          "named",
                          "--read-write",
                          "--cap-add",
                          "net_admin",
                          "--cap-drop",
                          "KILL",
                          "--seccomp",
                          "default",
                          "--",
                          "/bin/payload",
                          "report",
                          "--env",
                          "-x",
                          "--"},
                         start);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out + outcome.err, "");
  bundle.config = json::parse(content(bundle.path() + "/config.json"));
  bundle.config["process"].erase("rlimits");  // raising one takes a capability
  json seen = json::parse(run(bundle).out, nullptr, false);
  ASSERT_TRUE(seen.is_object());
  EXPECT_EQ(seen["args"], json({"--env", "-x", "--"}));
  EXPECT_EQ(seen["cwd"], "/scratch");
  EXPECT_EQ(seen["hostname"], "named");
  json env = seen["env"];
  for (const char* entry : {"A=b", "FROM_OUTSIDE=yes", "TERM=dumb"})
    EXPECT_EQ(std::count(env.begin(), env.end(), entry), 1) << entry << env;
  EXPECT_EQ(env.dump().find("NOT_THERE"), std::string::npos);
  EXPECT_EQ(seen["cap_effective"], "0000000000001000") << "NET_ADMIN, which is ambient for another user than root";
  EXPECT_EQ(seen["cap_bounding"], "0000000020001400");
  json mounts = seen["mounts"];
  auto mount = [&](const std::string& at) {
    for (const std::string line : mounts)
      if (line.find(" " + at + " ") != std::string::npos) return line;
    return std::string();
  };
  EXPECT_NE(mount("/data").find(" ro"), std::string::npos);
  EXPECT_NE(mount("/scratch").find("size=64k"), std::string::npos);
  EXPECT_NE(mount("/scratch").find("noexec"), std::string::npos);
  EXPECT_NE(mount("/").find(" rw"), std::string::npos);
  json status = seen["status"];
  EXPECT_NE(status.dump().find("Seccomp:\\t2"), std::string::npos);
  EXPECT_NE(status.dump().find("Uid:\\t7\\t7"), std::string::npos) << status;
  EXPECT_NE(status.dump().find("Gid:\\t8\\t8"), std::string::npos) << status;
}

TEST_F(SpecEdit, LimitsAndFlagsAreInTheFile) {
  ASSERT_EQ(
      edit({"--memory", "64M", "--cpus", "0.5", "--pids", "20", "--terminal", "--read-only", "--host-network"}).code,
      0);
  json written = json::parse(whole());
  EXPECT_EQ(written["linux"]["resources"]["memory"]["limit"], 64 << 20);
  EXPECT_EQ(written["linux"]["resources"]["cpu"], json::parse(R"({"quota": 50000, "period": 100000})"));
  EXPECT_EQ(written["linux"]["resources"]["pids"]["limit"], 20);
  ASSERT_EQ(edit({"--memory", "-1", "--cpus=-1", "--pids=-1", "--no-network", "--seccomp", "none"}).code, 0);
  written = json::parse(whole());
  EXPECT_EQ(written["linux"]["resources"]["memory"]["limit"], -1);
  EXPECT_EQ(written["linux"]["resources"]["cpu"]["quota"], -1);
  EXPECT_EQ(written["linux"]["resources"]["pids"]["limit"], -1);
}

TEST_F(SpecEdit, NetworksOfRootAndOfAnOrdinaryUserRun) {
  Bundle bundle;
  make_rootless(bundle, {"report"});
  bundle.write();
  const std::string file = bundle.path() + "/config.json";
  ASSERT_EQ(system(("chown -hR 1000:1001 " + bundle.path()).c_str()), 0);
  auto own = link_target("/proc/self/ns/net");
  for (const char* network : {"--no-network", "--host-network", "--no-network"}) {
    Outcome changed = user_minirun({"spec", "--edit", file, network});
    ASSERT_EQ(changed.code, 0) << describe(changed);
    Outcome outcome = user_minirun({"run", "--bundle", bundle.path(), "mine"});
    json seen = json::parse(outcome.out, nullptr, false);
    ASSERT_TRUE(seen.is_object()) << network << describe(outcome);
    EXPECT_EQ(seen["namespaces"]["net"] == own, std::string(network) == "--host-network") << network;
    EXPECT_NE(seen["interfaces"].size(), 0U) << network;
  }
  Bundle roots;
  roots.payload({"report"});
  for (bool users : {false, true}) {
    if (users) roots.add_user_namespace();
    for (const char* network : {"--host-network", "--no-network"}) {
      roots.write();
      Outcome changed = call({"spec", "--edit", roots.path() + "/config.json", network});
      ASSERT_EQ(changed.code, 0) << describe(changed);
      Outcome outcome = call({"run", "--bundle", roots.path(), id()});
      json seen = json::parse(outcome.out, nullptr, false);
      ASSERT_TRUE(seen.is_object()) << network << describe(outcome);
      EXPECT_EQ(seen["namespaces"]["net"] == own, std::string(network) == "--host-network") << network << users;
    }
  }
}

TEST_F(SpecEdit, KeepsAllElseByteForByteAndIsTheSameTwice) {
  std::string text = whole();
  text.replace(text.find("\"ociVersion\""), 0, "\"x-unknown\" : {\"n\":[1.10,18446744073709551617, -0]},\n\t ");
  write_text(text);
  ASSERT_EQ(chmod(config().c_str(), 0604), 0);
  ASSERT_EQ(edit({"--hostname", "other"}).code, 0);
  std::string expected = text;
  expected.replace(expected.find("\"hostname\": \"minirun\""), 21, "\"hostname\": \"other\"");
  EXPECT_EQ(whole(), expected);
  struct stat once = {}, twice = {};
  ASSERT_EQ(stat(config().c_str(), &once), 0);
  EXPECT_EQ(once.st_mode & 07777, 0604U);
  ASSERT_EQ(edit({"--hostname", "other"}).code, 0);
  ASSERT_EQ(stat(config().c_str(), &twice), 0);
  EXPECT_EQ(once.st_ino, twice.st_ino) << "nothing was to be written";
}

TEST_F(SpecEdit, WrongValuesAreToldAndChangeNothing) {
  const std::string before = whole();
  const std::pair<Words, const char*> wrong[] = {
      {{"--memory", "1x"}, "--memory: \"1x\" is not a size"},
      {{"--cpus", "0"}, "--cpus: must be at least 0.01"},
      {{"--pids", "none"}, "--pids: must be a number from 1 to 4194304"},
      {{"--user", "root"}, "--user: must be UID or UID:GID, in numbers"},
      {{"--env", "=x"}, "--env: must be NAME=VALUE or NAME"},
      {{"--env", "A=\xFF"}, "--env: must be UTF-8"},
      {{"--cwd", "here"}, "--cwd: /process/cwd: must be an absolute path"},
      {{"--bind", "/a"}, "--bind: must be SOURCE:DESTINATION"},
      {{"--bind", "/a:/proc/self"}, "--bind: /mounts/7/destination: must not be in /proc"},
      {{"--tmpfs", "/t:sise=1m"}, "--tmpfs: \"sise=1m\" is not an option of a tmpfs"},
      {{"--hostname", std::string(65, 'h')}, "--hostname: /hostname: must be at most 64 bytes"},
      {{"--cap-add", "FLY"}, "--cap-add: must be a capability"},
      {{"--cap-drop", "FLY"}, "--cap-drop: must be a capability"},
      {{"--cap-add", "KILL", "--cap-drop", "kill"}, "--cap-add and --cap-drop must not both have CAP_KILL"},
      {{"--host-network", "--no-network"}, "--host-network cannot be used with --no-network"},
      {{"--read-only", "--read-write"}, "--read-write cannot be used with --read-only"},
      {{"--rootless", "--read-only"}, "--edit cannot be used with --rootless"},
      {{"--bundle", ".", "--read-only"}, "--edit cannot be used with --bundle"},
      {{"--seccomp", "strict"}, "--seccomp"},
      {{}, "--edit: no other option says what to change"},
      {{"--"}, "no command follows --"},
      {{"--args", "a", "--", "b"}, "--args cannot be used with -- COMMAND"},
      {{"sh"}, "sh"}};
  for (const auto& [options, text] : wrong) {
    Outcome outcome = edit(options);
    EXPECT_EQ(outcome.code, 1) << text;
    EXPECT_NE(outcome.err.find(text), std::string::npos) << text << describe(outcome);
    EXPECT_EQ(whole(), before) << text;
  }
  // As an option of a new file they leave none.
  Outcome outcome = call({"spec", "--bundle", kHome, "--cwd", "here"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(access((kHome + "/config.json").c_str(), F_OK), 0);
  expect_refused(call({"spec", "--bundle", kFolder, "--cwd", "/"}), {"config.json exists", "--edit"});
}

TEST_F(SpecEdit, ArgsAreTheWordsOfTheCommand) {
  ASSERT_EQ(edit({"--args", "/bin/sh", "--args=-c", "--args", "echo a b"}).code, 0);
  EXPECT_EQ(json::parse(whole())["process"]["args"], json({"/bin/sh", "-c", "echo a b"}));
}

TEST_F(SpecEdit, OddFilesAreRefusedWithTheirPlace) {
  const std::pair<std::string, const char*> odd[] = {{"", "1:1"},
                                                     {"[]", "must be an object"},
                                                     {"{", "1:2"},
                                                     {R"({"a":1,"a":2})", "/a: must appear only once"},
                                                     {std::string("{\"a\":\0}", 7), "1:6: NUL byte"},
                                                     {"{\"a\":\"\xFF\"}", "1:7"},
                                                     {std::string(1'000'000, '['), "nested more than 128 deep"},
                                                     {std::string(1'000'000, '{'), ":1:2"},
                                                     {std::string((16 << 20) + 1, ' '), "more than the 16777216"},
                                                     {R"({"process":[]})", "/process: must be an object"},
                                                     {R"({"process":{"env":{}}})", "/process"}};
  for (const auto& [text, place] : odd) {
    write_text(text);
    Outcome outcome = edit({"--env", "A=1", "--cwd", "/"});
    EXPECT_EQ(outcome.code, 1) << place;
    EXPECT_NE(outcome.err.find(place), std::string::npos) << place << outcome.err.substr(0, 500);
    EXPECT_EQ(whole() == text, true) << place;
  }
  ASSERT_EQ(unlink(config().c_str()) | symlink("/dev/null", config().c_str()), 0);
  expect_refused(edit({"--cwd", "/"}), {config() + ": it is a symbolic link"});
  ASSERT_EQ(unlink(config().c_str()) | mkfifo(config().c_str(), 0600), 0);
  expect_refused(edit({"--cwd", "/"}), {"not a regular file"});
  expect_refused(call({"spec", "--edit", "/not/there", "--cwd", "/"}), {"/not/there: ", "no such file or directory"});
}

TEST_F(SpecEdit, TenMegabytesAreChangedInPlace) {
  std::string text = whole();
  const std::string ballast = "\"x-ballast\": \"" + std::string(10 << 20, 'x') + "\",\n  ";
  text.replace(text.find("\"ociVersion\""), 0, ballast);
  write_text(text);
  Outcome outcome = edit({"--hostname", "big"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(whole().size(), text.size() - strlen("minirun") + strlen("big"));
  EXPECT_NE(whole().find(ballast), std::string::npos);
}

TEST_F(SpecEdit, RacersLoseNothing) {
  constexpr int kRacers = 12;
  std::vector<std::unique_ptr<Running>> racers;
  for (int i = 0; i < kRacers; ++i)
    racers.push_back(std::make_unique<Running>(
        minirun({"spec", "--edit", config(), "--env", "RACER" + std::to_string(i) + "=1"}), StartOptions()));
  for (auto& racer : racers) EXPECT_EQ(racer->finish().code, 0);
  json env = json::parse(whole())["process"]["env"];
  for (int i = 0; i < kRacers; ++i)
    EXPECT_EQ(std::count(env.begin(), env.end(), "RACER" + std::to_string(i) + "=1"), 1) << i << env;
  EXPECT_EQ(files(), 1U);
}

TEST_F(SpecEdit, ASignalInTheMiddleLeavesTheOldFileOrTheNewOne) {
  std::string last = "minirun";
  int interrupted = 0;
  for (int round = 0; round < 120; ++round) {
    const std::string name = "n" + std::to_string(round);
    Running editor(minirun({"spec", "--edit", config(), "--hostname", name}), {});
    usleep(static_cast<useconds_t>(round % 60) * 50);
    editor.send(SIGINT);
    Outcome outcome = editor.finish();
    interrupted += outcome.code == -SIGINT;
    json now = json::parse(whole(), nullptr, false);
    ASSERT_TRUE(now.is_object()) << round;
    EXPECT_TRUE(now["hostname"] == name || (now["hostname"] == last && outcome.code != 0)) << now["hostname"] << round;
    last = now["hostname"];
    EXPECT_EQ(files(), 1U) << round << ": something is left";
  }
  EXPECT_GT(interrupted, 0);
}

// As on NFS or FUSE, where rename(2) has no exchange.
TEST_F(SpecEdit, WorksOnAFilesystemWithoutExchange) {
  StartOptions start;
  start.in_child = [] { refuse_call(SYS_renameat2, EINVAL); };
  Outcome outcome = edit({"--hostname", "elsewhere"}, start);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(json::parse(whole())["hostname"], "elsewhere");
  EXPECT_EQ(files(), 1U);
}

}  // namespace
}  // namespace minirun::testing
