// SPDX-License-Identifier: Apache-2.0
// Signals that are sent to the first process of a created container itself, past minirun: engines do that by pidfd.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <iterator>
#include <sstream>

#include "tests/support/rootless_fixture.h"
#include "tests/support/subreaper.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

constexpr int kEndingSignals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

struct WaitingKind {
  const char* name;
  std::function<void(json&)> change;
};

json filter_of(const char* fallback, const std::vector<std::string>& names, const char* action) {
  return {{"defaultAction", fallback}, {"syscalls", {{{"names", names}, {"action", action}}}}};
}

void drop_from(json& config, const std::string& type) {
  json kept = json::array();
  for (const json& ns : config["linux"]["namespaces"])
    if (ns["type"] != type) kept.push_back(ns);
  config["linux"]["namespaces"] = kept;
}

// The ways to wait for start, in docs/security.md: without a filter, under it, and before it.
const std::vector<WaitingKind>& waiting_kinds() {
  static const std::vector<WaitingKind> kinds = {
      {"no filter", [](json&) {}},
      {"filter", [](json& c) { c["linux"]["seccomp"] = filter_of("SCMP_ACT_ALLOW", {"clone3"}, "SCMP_ACT_ERRNO"); }},
      {"filter that takes a capability",
       [](json& c) {
         c["linux"]["seccomp"] = filter_of("SCMP_ACT_ALLOW", {"clone3"}, "SCMP_ACT_ERRNO");
         c["process"]["noNewPrivileges"] = false;
       }},
      {"filter of execve alone",
       [](json& c) { c["linux"]["seccomp"] = filter_of("SCMP_ACT_KILL_PROCESS", {"execve"}, "SCMP_ACT_ALLOW"); }},
      {"user",
       [](json& c) {
         c["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
       }},
      {"no pid namespace", [](json& c) { drop_from(c, "pid"); }},
      {"no process", [](json& c) { c.erase("process"); }},
  };
  return kinds;
}

class CreatedSignals : public WithSubreaper<RootlessTest> {
 protected:
  // Its first process, this program's child.
  pid_t create(const Bundle& bundle, const std::vector<std::string>& flags = {}) const {
    bundle.write();
    std::vector<std::string> args = {"create", "--pid-file", kPidFile, "--bundle", bundle.path()};
    args.insert(args.end(), flags.begin(), flags.end());
    args.push_back(id());
    StartOptions options;
    UniqueFd out(open(kOut, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    options.stdout_fd = options.stderr_fd = out.get();
    Outcome outcome = call(args, options);
    EXPECT_EQ(outcome.code, 0) << describe(outcome) << content(kOut);
    return outcome.code == 0 ? container_pid() : -1;
  }
  std::string status() const { return json::parse(call({"state", id()}).out)["status"]; }
  // Its exit status, or minus the signal that killed it; one that lives on is ended.
  static int exit_of(pid_t pid) {
    int status = 0;
    if (!eventually([&] { return waitpid(pid, &status, WNOHANG) == pid; })) {
      (void)kill(pid, SIGKILL);
      EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
      return kTimedOut;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  // One of them is sent; nothing but the record is left.
  void expect_end(const Bundle& bundle, const std::vector<std::string>& flags, int signal) {
    pid_t pid = create(bundle, flags);
    if (pid < 0) return;
    EXPECT_EQ(status(), "created");
    EXPECT_EQ(kill(pid, signal), 0);
    EXPECT_EQ(exit_of(pid), 128 + signal);
    EXPECT_EQ(status(), "stopped");
    expect_refused(call({"start", id()}), {"cannot start a container that has stopped: it ended while it waited"});
    Outcome outcome = call({"delete", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
  }
  void expect_all_kinds(Bundle& bundle, const std::vector<std::string>& skipped = {}) {
    const json plain = bundle.config;
    size_t turn = 0;
    for (const WaitingKind& kind : waiting_kinds()) {
      if (std::find(skipped.begin(), skipped.end(), kind.name) != skipped.end()) continue;
      bundle.config = plain;
      kind.change(bundle.config);
      for (bool init : {false, true}) {
        SCOPED_TRACE(std::string(kind.name) + (init ? " with --init" : ""));
        expect_end(bundle, init ? Flags{"--init"} : Flags{}, kEndingSignals[turn++ % std::size(kEndingSignals)]);
      }
    }
    (void)unlink(kOut);
  }
  // Of /proc/PID/status.
  static std::string masks(const std::string& status_file) {
    std::istringstream lines(content(status_file));
    std::string found;
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with("Sig") && !line.starts_with("SigQ")) found += line + "\n";
    return found;
  }

  using Flags = std::vector<std::string>;
  static constexpr const char* kOut = "/run/tests/created.out";
};

TEST_F(CreatedSignals, EndItWith128AndTheirNumber) {
  Bundle bundle;
  bundle.payload({"pause"});
  for (const Flags& flags : {Flags{}, Flags{"--init"}})
    for (int signal : kEndingSignals) expect_end(bundle, flags, signal);
  expect_all_kinds(bundle);
}

TEST_F(CreatedSignals, EndOneInAUserNamespace) {
  Bundle bundle;
  bundle.payload({"pause"});
  bundle.add_user_namespace(65536);
  expect_all_kinds(bundle, {"no pid namespace"});
}

TEST_F(CreatedSignals, EndOneInAJoinedPidNamespace) {
  Bundle pod, bundle;
  pod.payload({"pause"});
  pod.write();
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions silent;
  silent.stdout_fd = nowhere.get();
  ASSERT_EQ(call({"run", "--detach", "--pid-file", kPidFile, "--bundle", pod.path(), "pod"}, silent).code, 0);
  pid_t pod_pid = container_pid();
  bundle.payload({"pause"});
  bundle.join_namespace("pid", "/proc/" + std::to_string(pod_pid) + "/ns/pid");
  expect_all_kinds(bundle, {"no pid namespace"});
  EXPECT_EQ(call({"delete", "--force", "pod"}).code, 0);
  EXPECT_EQ(exit_of(pod_pid), -SIGKILL);
}

TEST_F(CreatedSignals, EndOneOfAnOrdinaryUser) {
  Bundle bundle;
  make_rootless(bundle, {"pause"});
  bundle.write();
  for (const Flags& flags : {Flags{}, Flags{"--init"}}) {
    for (int signal : kEndingSignals) {
      Flags args = {"create", "--pid-file", kHome + "/pid", "--bundle", bundle.path()};
      args.insert(args.end(), flags.begin(), flags.end());
      args.emplace_back("mine");
      ASSERT_EQ(user_minirun(args).code, 0);
      pid_t pid = atoi(content(kHome + "/pid").c_str());
      ASSERT_GT(pid, 1);
      EXPECT_EQ(kill(pid, signal), 0);
      EXPECT_EQ(exit_of(pid), 128 + signal);
      expect_refused(user_minirun({"start", "mine"}), {"has stopped: it ended while it waited for start"});
      EXPECT_EQ(user_minirun({"delete", "mine"}).code, 0);
    }
  }
}

TEST_F(CreatedSignals, AreToldByWaitAndByKill) {
  Bundle bundle;
  bundle.payload({"pause"});
  for (const Flags& flags : {Flags{}, Flags{"--init"}}) {
    for (const Flags& kill : {Flags{"kill", id(), "INT"}, Flags{"kill", "--all", id(), "INT"}}) {
      pid_t pid = create(bundle, flags);
      ASSERT_GT(pid, 1);
      EXPECT_EQ(call(kill).code, 0);
      EXPECT_TRUE(eventually([&] { return status() == "stopped"; }));
      EXPECT_EQ(call({"wait", id()}).code, 128 + SIGINT);  // a zombie has its status on every kernel
      EXPECT_EQ(exit_of(pid), 128 + SIGINT);
      EXPECT_EQ(call({"delete", id()}).code, 0);
    }
  }
  (void)unlink(kOut);
}

// Those that end it are not the workload's: it begins with no handler and nothing blocked or ignored, as one of `run`.
TEST_F(CreatedSignals, OfAStartedOneAreTheWorkloads) {
  for (size_t kind = 0; kind < 3; ++kind) {
    for (const Flags& flags : {Flags{}, Flags{"--init"}}) {
      SCOPED_TRACE(waiting_kinds()[kind].name);
      Bundle bundle;
      bundle.payload({"files", "/proc/self/status"});
      waiting_kinds()[kind].change(bundle.config);
      pid_t pid = create(bundle, flags);
      ASSERT_GT(pid, 1);
      EXPECT_EQ(call({"start", id()}).code, 0);
      EXPECT_EQ(exit_of(pid), 0);
      const std::string none = "0000000000000000\n";
      EXPECT_EQ(masks(kOut), "SigPnd:\t" + none + "SigBlk:\t" + none + "SigIgn:\t" + none + "SigCgt:\t" + none);
      EXPECT_EQ(call({"delete", id()}).code, 0);
      (void)unlink(kOut);
    }
  }
}

TEST_F(CreatedSignals, OfASupervisedWorkloadAreHandedOn) {
  Bundle bundle;
  bundle.payload({"signals", std::to_string(SIGTERM)});
  for (size_t kind = 0; kind < 2; ++kind) {
    waiting_kinds()[kind].change(bundle.config);
    pid_t pid = create(bundle, {"--init"});
    ASSERT_GT(pid, 1);
    EXPECT_EQ(call({"start", id()}).code, 0);
    ASSERT_TRUE(eventually([] { return content(kOut) == "ready"; }));
    for (int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) {
      EXPECT_EQ(kill(pid, signal), 0);
      std::string said = "got " + std::to_string(signal);
      EXPECT_TRUE(eventually([&] { return content(kOut).ends_with(said); })) << said << " in " << content(kOut);
    }
    EXPECT_EQ(exit_of(pid), 0);
    EXPECT_EQ(call({"delete", id()}).code, 0);
  }
  (void)unlink(kOut);
}

// At any moment of `start`: none is lost, whether it ends the wait or the workload.
TEST_F(CreatedSignals, OnTheWayToTheWorkloadAreNotLost) {
  Bundle bundle;
  bundle.payload({"pause"});
  const auto step = static_cast<useconds_t>(400 * slowness());
  for (size_t kind = 0; kind < 2; ++kind) {
    waiting_kinds()[kind].change(bundle.config);
    for (useconds_t delay = 0; delay < 12000; delay += step) {
      pid_t pid = create(bundle, {"--init"});
      ASSERT_GT(pid, 1);
      Running starting(minirun({"start", id()}), {});
      usleep(delay);
      EXPECT_EQ(kill(pid, SIGTERM), 0);
      EXPECT_EQ(exit_of(pid), 128 + SIGTERM) << delay;
      Outcome started = starting.finish();
      bool ended = started.err.find("it ended while it waited for start") != std::string::npos ||
                   started.err.find("the container ended before the workload started") != std::string::npos;
      EXPECT_TRUE(started.code == 0 || ended) << delay << ": " << describe(started);
      EXPECT_EQ(call({"delete", id()}).code, 0) << delay;
    }
  }
  (void)unlink(kOut);
}

// Its session is its own before it waits.
TEST_F(CreatedSignals, OfTheCallersTerminalAreNotForIt) {
  Bundle bundle;
  bundle.payload({"pause"});
  for (const WaitingKind& kind : waiting_kinds()) {
    for (const Flags& flags : {Flags{}, Flags{"--init"}}) {
      Bundle changed;
      changed.config = bundle.config;
      kind.change(changed.config);
      pid_t pid = create(changed, flags);
      ASSERT_GT(pid, 1);
      EXPECT_EQ(getsid(pid), pid) << kind.name;
      EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
      exit_of(pid);
    }
  }
  (void)unlink(kOut);
}

}  // namespace
}  // namespace minirun::testing
