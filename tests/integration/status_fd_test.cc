// SPDX-License-Identifier: Apache-2.0
// --status-fd: the events of a launch, and readers that are no good.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <sstream>

#include "sys/file.h"
#include "sys/pipe.h"
#include "tests/support/exec_fixture.h"
#include "tests/support/json_schema.h"
#include "tests/support/rootless_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

constexpr int kStatusFd = 30;

// Up to the end of the file, which comes with minirun's: a process that held the descriptor longer would delay it.
std::string read_to_end(int fd) {
  std::string text;
  for (;;) {
    char part[4096];
    pollfd ready{fd, POLLIN, 0};
    if (poll(&ready, 1, 5000) <= 0) {
      ADD_FAILURE() << "a process holds the descriptor";
      return text;
    }
    ssize_t n = read(fd, part, sizeof part);
    if (n <= 0) return text;
    text.append(part, static_cast<size_t>(n));
  }
}

struct Watched {
  Outcome outcome;
  std::vector<json> events;
  std::string names;  // "created running"
};

Watched read_events(Outcome outcome, const std::string& text) {
  Watched watched{std::move(outcome), {}, ""};
  EXPECT_TRUE(text.empty() || text.back() == '\n') << text;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    json event = json::parse(line, nullptr, false);
    EXPECT_EQ(schema_problem(status_schema(), event), "") << line;
    watched.events.push_back(event);
    watched.names += (watched.names.empty() ? "" : " ") + event.value("event", "");
  }
  return watched;
}

Words with_status_fd(Words words, const std::string& number = std::to_string(kStatusFd)) {
  words.insert(words.begin() + 1, {"--status-fd", number});
  return words;
}

StartOptions with_descriptor(int fd, StartOptions options = {}) {
  auto before = options.in_child;
  options.in_child = [before, fd] {
    if (dup2(fd, kStatusFd) < 0) _exit(96);
    if (before) before();
  };
  return options;
}

class StatusFd : public ExecTest {
 protected:
  void SetUp() override {
    ExecTest::SetUp();
    bundle_.payload({"pause"});
  }
  // In the background nothing reads the workload's output.
  Watched watch(const Words& words, bool background = false) {
    Pipe pipe = make_pipe().value();
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions options = with_descriptor(pipe.writer.get());
    if (background) options.stdout_fd = options.stderr_fd = nowhere.get();
    bundle_.write();
    Running running(minirun(with_status_fd(words)), options);
    pipe.writer.reset();
    Outcome outcome = running.finish();
    return read_events(outcome, read_to_end(pipe.reader.get()));
  }
  Words words(const std::string& command, const Words& flags = {}) {
    Words all = {command};
    all.insert(all.end(), flags.begin(), flags.end());
    all.insert(all.end(), {"--bundle", bundle_.path(), id()});
    return all;
  }
  // A foreground run with a writer that is no good: its end is the workload's all the same, and in time.
  void expect_unhurt(int writer) {
    bundle_.payload({"exit", "7"});
    bundle_.write();
    auto before = std::chrono::steady_clock::now();
    Outcome outcome = Running(minirun(with_status_fd(words("run"))), with_descriptor(writer)).finish();
    EXPECT_EQ(outcome.code, 7) << describe(outcome);
    EXPECT_EQ(outcome.err, "");
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
    // A failure is reported as without the option.
    outcome = Running(minirun(with_status_fd({"start", "never-was"})), with_descriptor(writer)).finish();
    EXPECT_EQ(outcome.code, 1) << describe(outcome);
    EXPECT_NE(outcome.err.find("container does not exist"), std::string::npos);
  }
};

TEST_F(StatusFd, OfARunIsItsWholeLife) {
  bundle_.payload({"exit", "7"});
  for (const Words& flags : {Words{}, {"--no-init"}}) {
    Watched watched = watch(words("run", flags));
    EXPECT_EQ(watched.outcome.code, 7);
    ASSERT_EQ(watched.names, "created running exited");
    for (const json& event : watched.events) EXPECT_EQ(event["id"], id());
    EXPECT_EQ(watched.events[0]["pid"], watched.events[1]["pid"]);
    EXPECT_EQ(watched.events[2]["exit_status"], 7);
    EXPECT_FALSE(watched.events[2].contains("signal"));
  }
  bundle_.payload({"die-by", "10"});
  bundle_.drop_namespace("pid");  // whose first process would ignore it
  Watched watched = watch(words("run", {"--no-init"}));
  ASSERT_EQ(watched.names, "created running exited");
  EXPECT_EQ(watched.events[2]["exit_status"], 138);
}

TEST_F(StatusFd, NamesTheSignalThatEndedTheWorkload) {
  bundle_.payload({"die-by", "9"});
  Watched watched = watch(words("run"));
  ASSERT_EQ(watched.names, "created running exited");
  EXPECT_EQ(watched.events[2]["exit_status"], 137);
  EXPECT_EQ(watched.events[2]["signal"], 9);
}

TEST_F(StatusFd, OfCreateAndStartEndsWithWhatTheyAreFor) {
  bundle_.add_user_namespace();
  for (const Words& flags : {Words{}, {"--init"}}) {
    Words create = words("create", flags);
    create.insert(create.end() - 1, {"--pid-file", kPidFile});
    Watched created = watch(create, true);
    ASSERT_EQ(created.names, "created");
    EXPECT_EQ(created.events[0]["pid"], container_pid());
    Watched started = watch({"start", id()}, true);
    ASSERT_EQ(started.names, "running");
    EXPECT_EQ(started.events[0]["pid"], container_pid());
    end();
  }
}

TEST_F(StatusFd, OfADetachedRunEndsWhenItRuns) {
  for (const Words& flags : {Words{"--detach"}, {"--detach", "--no-init"}}) {
    EXPECT_EQ(watch(words("run", flags), true).names, "created running");
    end();
  }
}

TEST_F(StatusFd, OfAnExecHasItsOwnProcess) {
  start();
  Watched watched = watch({"exec", id(), "/bin/payload", "exit", "3"});
  EXPECT_EQ(watched.outcome.code, 3);
  ASSERT_EQ(watched.names, "running exited");
  EXPECT_EQ(watched.events[1]["exit_status"], 3);
  const std::string pid_file = "/run/tests/exec-pid";
  watched = watch({"exec", "--detach", "--pid-file", pid_file, id(), "/bin/payload", "pause"}, true);
  ASSERT_EQ(watched.names, "running");
  EXPECT_EQ(watched.events[0]["pid"], atoi(content(pid_file).c_str()));
  EXPECT_EQ(unlink(pid_file.c_str()), 0);
  watched = watch({"exec", id(), "/not/there"});
  ASSERT_EQ(watched.names, "error");
  EXPECT_EQ(watched.events[0]["kind"], "exec");
  EXPECT_EQ(watched.events[0]["exit_status"], 127);
  end();
}

// It separates "the sandbox cannot be made" from the workload's own 1.
TEST_F(StatusFd, OfAFailureEndsWithTheError) {
  auto expect_error = [&](const Words& words, const std::string& names, const std::string& kind) {
    Watched watched = watch(words);
    EXPECT_EQ(watched.names, names) << describe(watched.outcome);
    if (watched.events.empty()) return;
    const json& error = watched.events.back();
    EXPECT_EQ(error["kind"], kind) << error;
    EXPECT_EQ(error["exit_status"], watched.outcome.code);
    EXPECT_EQ("minirun: " + error.value("msg", "") + "\n", watched.outcome.err);
  };
  for (const char* command : {"run", "create"}) {
    json config = bundle_.config;
    bundle_.config["process"]["args"] = {"/not/there"};
    expect_error(words(command), "error", "exec");
    bundle_.config["process"]["args"] = {"/bin/payload", "pause"};
    bundle_.config["linux"]["sysctl"]["net.nosuch"] = "1";
    expect_error(words(command), "error", "setup");
    bundle_.config["process"]["cwd"] = "relative";
    expect_error(words(command), "error", "config");
    bundle_.config = config;
  }
  expect_error(words("run", {"--nosuchflag"}), "error", "usage");
  expect_error(words("run", {"--preserve-fds", "many"}), "error", "usage");
  expect_error({"start", "never-was"}, "error", "state");
  expect_error({"exec", "never-was", "x"}, "error", "state");
  expect_error(words("restore", {"--image-path", "/not/there"}), "error", "host");
  bundle_.config["hooks"]["poststart"] = {{{"path", "/not/there"}}};
  expect_error(words("run"), "created error", "setup");
}

TEST_F(StatusFd, BadValuesAreRefusedBeforeAnythingIsMade) {
  bundle_.write();
  UniqueFd readable(open("/dev/null", O_RDONLY | O_CLOEXEC));
  UniqueFd path(open("/dev/null", O_PATH | O_CLOEXEC));
  UniqueFd good(open("/dev/null", O_WRONLY | O_CLOEXEC));
  struct Case {
    const char* value;
    int fd;
    const char* text;
  };
  for (const Case& bad :
       {Case{"many", good.get(), ""}, Case{"-1", good.get(), ""}, Case{"", good.get(), ""},
        Case{"18446744073709551616", good.get(), ""}, Case{"0", good.get(), "must be 3 or more"},
        Case{"1", good.get(), "must be 3 or more"}, Case{"2", good.get(), "must be 3 or more"},
        Case{"29", good.get(), "is not open"}, Case{"1048577", good.get(), "is not open"},
        Case{"4294967326", good.get(), "is not open"}, Case{"18446744073709551615", -1, "is not open"},
        Case{"30", readable.get(), "is not open for writing"}, Case{"30", path.get(), "is not open for writing"}}) {
    StartOptions options = with_descriptor(bad.fd >= 0 ? bad.fd : good.get());
    for (const Words& command :
         {words("run"), words("create"), words("restore"), {"start", id()}, {"exec", id(), "x"}}) {
      Outcome outcome = Running(minirun(with_status_fd(command, bad.value)), options).finish();
      EXPECT_EQ(outcome.code, command[0] == "exec" ? 255 : 1) << bad.value << command[0] << describe(outcome);
      EXPECT_NE(outcome.err.find("--status-fd"), std::string::npos) << describe(outcome);
      EXPECT_NE(outcome.err.find(bad.text), std::string::npos) << describe(outcome);
    }
  }
}

TEST_F(StatusFd, IsNoDescriptorThatTheContainerGets) {
  bundle_.write();
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  StartOptions options;
  options.in_child = [&] {
    for (int fd : {3, 4, 5})
      if (dup2(null.get(), fd) < 0) _exit(97);
  };
  Words command = with_status_fd(words("run", {"--preserve-fds", "2"}), "4");
  EXPECT_NE(Running(minirun(command), options).finish().err.find("the container gets descriptors 3 to 4"),
            std::string::npos);
  // Those of socket activation come before.
  Words shell = {"/bin/sh", "-c", R"(export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@")", "sh"};
  for (const std::string& word : minirun(with_status_fd(words("run", {"--preserve-fds", "2"}), "5")))
    shell.push_back(word);
  Outcome outcome = Running(shell, options).finish();
  EXPECT_NE(outcome.err.find("the container gets descriptors 3 to 5"), std::string::npos) << describe(outcome);
}

TEST_F(StatusFd, ReaderThatIsGoneHurtsNothing) {
  Pipe pipe = make_pipe().value();
  pipe.reader.reset();
  expect_unhurt(pipe.writer.get());
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  UniqueFd kept(pair[0]);
  UniqueFd(pair[1]).reset();
  expect_unhurt(kept.get());
  UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  expect_unhurt(full.get());
}

// The descriptor waits as its caller has made it, and stays so: the flag is of the file, which others share.
TEST_F(StatusFd, ReaderThatDoesNotReadHurtsNothing) {
  for (int flags : {0, O_NONBLOCK}) {
    Pipe pipe = make_pipe(flags).value();
    ASSERT_EQ(fcntl(pipe.writer.get(), F_SETPIPE_SZ, 4096), 4096);
    std::string most(4096, 'x');
    ASSERT_EQ(write(pipe.writer.get(), most.data(), most.size()), 4096);
    expect_unhurt(pipe.writer.get());
    EXPECT_EQ(fcntl(pipe.writer.get(), F_GETFL) & O_NONBLOCK, flags);
  }
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  UniqueFd reader(pair[0]), writer(pair[1]);
  std::string block(4096, 'x');
  while (send(writer.get(), block.data(), block.size(), MSG_DONTWAIT) > 0) {
  }
  expect_unhurt(writer.get());
}

TEST_F(StatusFd, GoesToSocketsAndFiles) {
  bundle_.payload({"exit", "0"});
  bundle_.write();
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  UniqueFd reader(pair[0]), writer(pair[1]);
  Outcome outcome = Running(minirun(with_status_fd(words("run"))), with_descriptor(writer.get())).finish();
  writer.reset();
  EXPECT_EQ(read_events(outcome, read_to_end(reader.get())).names, "created running exited");
  const std::string file = "/run/tests/events";
  UniqueFd appended(open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  for (int i = 0; i < 2; ++i)
    outcome = Running(minirun(with_status_fd(words("run"))), with_descriptor(appended.get())).finish();
  EXPECT_EQ(read_events(outcome, read_file(AT_FDCWD, file).value()).names,
            "created running exited created running exited");
  EXPECT_EQ(unlink(file.c_str()), 0);
}

TEST_F(StatusFd, EventsAreListedByFeatures) {
  json features = json::parse(call({"features"}).out, nullptr, false);
  ASSERT_TRUE(features.is_object());
  std::string listed;
  const json schemas = status_schema()["oneOf"];
  for (const json& schema : schemas)
    listed += (listed.empty() ? "" : " ") + schema["properties"]["event"]["const"].get<std::string>();
  EXPECT_EQ(features["annotations"].value("org.minirun.statusEvents", ""), listed);
}

class StatusFdRootless : public RootlessTest {};

TEST_F(StatusFdRootless, IsTheSameForAnOrdinaryUser) {
  Bundle bundle;
  ASSERT_NO_FATAL_FAILURE(make_rootless(bundle, {"exit", "7"}));
  bundle.write();
  Pipe pipe = make_pipe().value();
  StartOptions options = with_descriptor(pipe.writer.get(), user_options());
  Words words = {kProgram, "run", "--status-fd", std::to_string(kStatusFd), "--bundle", bundle.path(), "mine"};
  Running running(words, options);
  pipe.writer.reset();
  Outcome outcome = running.finish();
  EXPECT_EQ(outcome.code, 7) << describe(outcome);
  EXPECT_EQ(read_events(outcome, read_to_end(pipe.reader.get())).names, "created running exited");
}

}  // namespace
}  // namespace minirun::testing
