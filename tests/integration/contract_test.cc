// SPDX-License-Identifier: Apache-2.0
// The command line as container engines use it: their spellings, their environment, the texts that they look for.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <regex>

#include "tests/support/fixture.h"
#include "tests/support/subreaper.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Contract : public WithSubreaper<MinirunTest> {
 protected:
  void SetUp() override {
    WithSubreaper::SetUp();
    nowhere_.reset(open("/dev/null", O_RDWR | O_CLOEXEC));
  }
  StartOptions unread() const {
    StartOptions options;
    options.stdout_fd = nowhere_.get();
    return options;
  }
  void create() {
    bundle_.payload({"pause"});
    bundle_.write();
    Outcome outcome = call({"create", "--bundle", bundle_.path(), "--pid-file", kPidFile, id()}, unread());
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
  }
  void start() {
    create();
    expect_silent({"start", id()});
  }
  void expect_silent(const std::vector<std::string>& args, const StartOptions& options = {}) const {
    Outcome outcome = call(args, options);
    EXPECT_EQ(outcome.code, 0) << args[0] << ": " << describe(outcome);
    EXPECT_EQ(outcome.out + outcome.err, "") << args[0];
  }
  int reap() const {
    int status = -1;
    EXPECT_EQ(waitpid(container_pid(), &status, 0), container_pid());
    return status;
  }
  void end() const {
    expect_silent({"delete", "--force", id()});
    reap();
  }
  Bundle bundle_;
  UniqueFd nowhere_;
};

TEST_F(Contract, GlobalFlagsHaveEverySpellingAndMayRepeat) {
  start();
  std::string program = minirun({})[0];
  std::string log = "/run/tests/contract-log";
  std::string root = kState;
  for (const std::vector<std::string>& globals : std::vector<std::vector<std::string>>{
           {"--root", root},
           {"--root=" + root},
           {"-root", root},
           {"-root=" + root},
           {"--root=/run/tests/nowhere", "--root=" + root},
           {"--root", root, "--log", log, "--log-format", "json"},
           {"--root=" + root, "--log=" + log, "--log-format=json", "--log-level=error", "--log-level", "info"},
           {"--root", root, "--rootless=true", "--rootless=false", "--rootless"},
           {"--root", root, "--cgroup-manager=cgroupfs", "--cgroup-manager", "cgroupfs"}}) {
    std::vector<std::string> argv = {program};
    argv.insert(argv.end(), globals.begin(), globals.end());
    argv.insert(argv.end(), {"state", id()});
    Outcome outcome = Running(argv, {}).finish();
    EXPECT_EQ(outcome.code, 0) << json(globals).dump() << describe(outcome);
    EXPECT_EQ(outcome.err, "") << json(globals).dump();
    EXPECT_EQ(json::parse(outcome.out, nullptr, false).value("id", ""), id()) << json(globals).dump();
  }
  std::string log_text = content(log);
  EXPECT_TRUE(log_text.empty() || log_text == "(none)") << log_text;  // nothing failed
  unlink(log.c_str());
  end();
}

TEST_F(Contract, AFailureIsOneObjectInTheJsonLogAndOneLineOnStderr) {
  std::string log = "/run/tests/contract-log";
  Outcome outcome = call({"--log", log, "--log-format", "json", "state", id()});
  expect_refused(outcome, {"container does not exist"});
  json object = json::parse(content(log), nullptr, false);  // of two objects this makes none
  ASSERT_TRUE(object.is_object()) << content(log);
  EXPECT_EQ(object.value("level", ""), "error");
  EXPECT_NE(object.value("msg", "").find("container does not exist"), std::string::npos);
  EXPECT_TRUE(std::regex_match(object.value("time", ""),
                               std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))")))
      << object;
  EXPECT_EQ(unlink(log.c_str()), 0);
}

TEST_F(Contract, SubreaperAndLaunchFlagsOfRuncAreKnownWhereverRuncHasThem) {
  for (const char* command : {"run", "create", "restore", "exec"}) {
    for (const char* flag : {"--no-subreaper", "-no-subreaper", "--no-subreaper=true"}) {
      Outcome outcome = call({command, flag, "--pid-file", "/run/tests/never", "-preserve-fds=0", id() + "-absent"});
      EXPECT_NE(outcome.code, 0) << command;  // no such bundle, no such container
      EXPECT_EQ(outcome.err.find("not expected"), std::string::npos) << command << flag << describe(outcome);
      EXPECT_EQ(outcome.err.find(flag), std::string::npos) << command << describe(outcome);
    }
  }
}

TEST_F(Contract, ListPsAndStateAreReadByMachines) {
  start();
  pid_t pid = container_pid();
  Outcome state = call({"state", id()});
  EXPECT_EQ(state.err, "");  // read together with stdout
  EXPECT_EQ(json::parse(state.out, nullptr, false).value("pid", 0), pid);
  Outcome list = call({"list", "--format=json"});
  json containers = json::parse(list.out, nullptr, false);
  ASSERT_TRUE(containers.is_array() && containers.size() == 1) << describe(list);
  EXPECT_EQ(containers[0].value("id", ""), id());
  EXPECT_EQ(call({"list", "-q"}).out, id() + "\n");
  EXPECT_EQ(json::parse(call({"ps", "--format", "json", id()}).out, nullptr, false), json({pid}));
  EXPECT_EQ(json::parse(call({"ps", "-format=json", id()}).out, nullptr, false), json({pid}));
  end();
  json none = json::parse(call({"list", "-f", "json"}).out, nullptr, false);
  EXPECT_TRUE(none.is_null() || none == json::array()) << none;
}

TEST_F(Contract, WhatCannotBePrintedIsAnError) {
  start();
  UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full);
  StartOptions options;
  options.stdout_fd = full.get();
  std::vector<std::vector<std::string>> commands = {{"state", id()}, {"ps", id()}, {"events", "--stats", id()}};
  for (auto command : {"list", "features", "--help", "--version"}) commands.push_back({command});
  for (const auto& command : commands) {
    Outcome outcome = call(command, options);
    EXPECT_EQ(outcome.code, 1) << command[0] << ": " << describe(outcome);
    EXPECT_EQ(outcome.err, "minirun: write to stdout: no space left on device\n") << command[0];
  }
  end();
}

// The reader is slow, and the pipe does not block.
TEST_F(Contract, AllIsPrintedIntoAFullPipe) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  UniqueFd reader(ends[0]), writer(ends[1]);
  constexpr int kOnePage = 4096;
  ASSERT_EQ(fcntl(writer.get(), F_SETPIPE_SZ, kOnePage), kOnePage);
  ASSERT_EQ(fcntl(writer.get(), F_SETFL, O_NONBLOCK), 0);
  std::string whole = call({"features"}).out, got;
  ASSERT_GT(whole.size(), size_t{kOnePage});
  StartOptions options;
  options.stdout_fd = writer.get();
  Running slow(minirun({"features"}), options);
  writer.reset();
  std::array<char, 100> part{};
  for (ssize_t n = 0; (n = read(reader.get(), part.data(), part.size())) > 0;)
    got.append(part.data(), static_cast<size_t>(n));
  EXPECT_EQ(got, whole);
  EXPECT_EQ(slow.finish().code, 0);
}

TEST_F(Contract, KillAllHasAShortFlagAndEverySpellingOfTheSignal) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"-a", id(), "9"}, {"--all", id(), "KILL"}, {"-all", id(), "SIGKILL"}, {"--all=true", id(), "sigkill"}}) {
    start();
    std::vector<std::string> args = {"kill"};
    args.insert(args.end(), words.begin(), words.end());
    expect_silent(args);
    EXPECT_EQ(WTERMSIG(reap()), 9);
    expect_silent({"delete", id()});
  }
}

TEST_F(Contract, TextsThatEnginesLookFor) {
  expect_refused(call({"delete", id()}), {"container does not exist"});
  expect_silent({"delete", "--force", id()});
  start();
  expect_refused(call({"start", id()}), {"cannot start an already running container"});
  expect_refused(call({"delete", id()}), {"cannot delete container " + id() + " that is not stopped: running"});
  expect_refused(call({"resume", id()}), {"container not paused"});
  expect_refused(call({"create", "--bundle", bundle_.path(), id()}), {"container with given ID already exists"});
  expect_silent({"kill", "--all", id(), "KILL"});
  reap();
  expect_refused(call({"start", id()}), {"cannot start a container that has stopped"});
  expect_refused(call({"kill", id(), "TERM"}), {"container not running"});
  Outcome exec = call({"exec", id(), "/bin/payload", "true"});
  EXPECT_EQ(exec.code, 255) << describe(exec);
  EXPECT_NE(exec.err.find("cannot exec in a stopped container"), std::string::npos) << describe(exec);
  expect_silent({"delete", id()});
}

TEST_F(Contract, PodmansEnvironmentOfOneVariableIsEnough) {
  StartOptions bare;
  bare.env = {"XDG_RUNTIME_DIR=/run/tests"};
  start();
  expect_silent({"pause", id()}, bare);
  expect_silent({"resume", id()}, bare);
  expect_silent({"kill", id(), "9"}, bare);
  reap();
  expect_silent({"delete", "--force", id()}, bare);
}

TEST_F(Contract, UpdateReadsPartOfTheResourcesFromStdinInEitherSpelling) {
  Traces before = take_traces();
  start();
  auto folders = new_cgroups(before);
  ASSERT_FALSE(folders.empty());
  int limit = 40;
  for (const std::vector<std::string>& flags :
       std::vector<std::vector<std::string>>{{"--resources=-"}, {"--resources", "-"}, {"-r", "-"}}) {
    std::string file = "/run/tests/contract-resources";
    std::string wanted = std::to_string(++limit);
    write_new_file(file, json({{"unified", {{"cgroup.max.descendants", wanted}}}}).dump(), 0644);
    UniqueFd in(open(file.c_str(), O_RDONLY | O_CLOEXEC));
    StartOptions options;
    options.stdin_fd = in.get();
    std::vector<std::string> args = {"update"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.push_back(id());
    expect_silent(args, options);
    EXPECT_TRUE(std::any_of(folders.begin(), folders.end(), [&](const std::string& folder) {
      return content(folder + "/cgroup.max.descendants") == wanted;
    })) << wanted;
    EXPECT_EQ(unlink(file.c_str()), 0);
  }
  end();
}

TEST_F(Contract, StatsAreOneObject) {
  start();
  Outcome outcome = call({"events", "--stats", id()});
  EXPECT_EQ(outcome.err, "");
  json stats = json::parse(outcome.out, nullptr, false);
  ASSERT_TRUE(stats.is_object()) << describe(outcome);
  EXPECT_EQ(stats.value("type", ""), "stats");
  EXPECT_EQ(stats.value("id", ""), id());
  EXPECT_TRUE(stats["data"].is_object());
  end();
}

TEST_F(Contract, RestoreTellsPodmanThatItKnowsLsmMountContext) {
  Outcome outcome = call({"restore", "--lsm-mount-context"});
  EXPECT_NE(outcome.code, 0);
  EXPECT_NE(outcome.err.find("flag needs an argument"), std::string::npos) << describe(outcome);
}

TEST_F(Contract, OfManyStartsAtOnceOneWins) {
  create();
  std::vector<std::unique_ptr<Running>> all;
  for (int i = 0; i < 8; ++i) all.push_back(std::make_unique<Running>(minirun({"start", id()}), StartOptions{}));
  int won = 0;
  for (auto& one : all) {
    Outcome outcome = one->finish();
    if (outcome.code == 0) ++won;
    if (outcome.code != 0) expect_refused(outcome, {"cannot start an already running container"});
  }
  EXPECT_EQ(won, 1);
  end();
}

}  // namespace
}  // namespace minirun::testing
