// SPDX-License-Identifier: Apache-2.0
#include "tests/upgrades/upgrade.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

namespace minirun::testing {
namespace {

using nlohmann::json;

constexpr const char* kConsole = "/run/tests/console";
constexpr const char* kAgent = "/run/tests/agent";
constexpr const char* kFakeCriu = "/run/tests/criu";
constexpr const char* kHooks[] = {"prestart",       "createRuntime", "createContainer",
                                  "startContainer", "poststart",     "poststop"};

void in_user_namespace(Bundle& bundle) {
  json& linux_ = bundle.config["linux"];
  linux_["namespaces"].push_back({{"type", "user"}});
  linux_["uidMappings"] = {{{"containerID", 0}, {"hostID", 0}, {"size", 65536}}};
  linux_["gidMappings"] = linux_["uidMappings"];
}

void with_filter(Bundle& bundle) {
  bundle.config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"},
                                       {"syscalls", {{{"names", {"mkdirat"}}, {"action", "SCMP_ACT_ERRNO"}}}}};
}

void with_privileges_to_gain(Bundle& bundle) {
  with_filter(bundle);
  bundle.config["process"]["noNewPrivileges"] = false;
}

void with_listener(Bundle& bundle) {
  bundle.config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"},
                                       {"listenerPath", kAgent},
                                       {"syscalls", {{{"names", {"getppid"}}, {"action", "SCMP_ACT_NOTIFY"}}}}};
}

void with_terminal(Bundle& bundle) {
  bundle.config["process"]["terminal"] = true;
}

void with_hooks(Bundle& bundle) {
  for (const std::string kind : kHooks) {
    std::string root = kind == "startContainer" ? "" : bundle.rootfs();  // there the path is the container's
    bundle.config["hooks"][kind] = {
        {{"path", root + "/bin/payload"}, {"args", {"payload", "write", root + "/tmp/" + kind, "x"}}}};
  }
}

}  // namespace

std::vector<Kind> all_kinds() {
  return {{"default", [](Bundle&) {}},
          {"user namespace", in_user_namespace},
          {"host's pid namespace", [](Bundle& bundle) { bundle.drop_namespace("pid"); }},
          {"joined pid namespace", [](Bundle& bundle) { bundle.join_namespace("pid", "/proc/1/ns/pid"); }},
          {"time namespace",
           [](Bundle& bundle) {
             bundle.config["linux"]["namespaces"].push_back({{"type", "time"}});
           }},
          {"joined network", [](Bundle& bundle) { bundle.join_namespace("network", "/proc/1/ns/net"); }},
          {"seccomp", with_filter},
          {"seccomp without noNewPrivileges", with_privileges_to_gain},
          {"listener", with_listener, false, true},
          {"terminal", with_terminal, true},
          {"hooks", with_hooks, false, false, true}};
}

void Upgrade::SetUp() {
  MinirunTest::SetUp();
  old_ = program("MINIRUN_OLD", "minirun-65916da");
  now_ = program("MINIRUN", "minirun");
  if (access(old_.c_str(), X_OK) != 0) GTEST_SKIP() << "no minirun-65916da (tests/upgrades/build_old makes it)";
  options_.env = {"PATH=/run/tests"};  // of the fake criu
  write_new_file(kFakeCriu, "#!/bin/sh\nexit 1\n", 0755);
}

void Upgrade::TearDown() {
  close_outside();
  bundle_.reset();
  (void)unlink(kFakeCriu);  // not there when SetUp has skipped
  remove_tree(std::string(kState) + "/.cache");
  MinirunTest::TearDown();
}

void Upgrade::close_outside() {
  for (UniqueFd* fd : {&console_, &terminal_, &agent_, &notifications_}) fd->reset();
  (void)unlink(kConsole);
  (void)unlink(kAgent);
}

Outcome Upgrade::call_by(const std::string& minirun, const std::vector<std::string>& args) const {
  std::vector<std::string> argv = {minirun, "--root", root_};
  argv.insert(argv.end(), args.begin(), args.end());
  StartOptions options = options_;
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (args[0] == "create" || args[0] == "run") options.stdout_fd = nowhere.get();
  return Running(argv, options).finish();
}

bool Upgrade::make(const std::string& maker, const std::string& verb, const Kind& kind, bool init) {
  close_outside();
  bundle_ = std::make_unique<Bundle>();
  bundle_->payload({"pause"});
  kind.change(*bundle_);
  bundle_->write();
  std::vector<std::string> args = {verb};
  if (verb == "run") args.emplace_back("--detach");
  if (verb == "run" && !init) args.emplace_back("--no-init");
  if (verb == "create" && init) args.emplace_back("--init");
  if (kind.terminal) {
    console_ = listen_at(kConsole, SOCK_STREAM);
    args.insert(args.end(), {"--console-socket", kConsole});
  }
  if (kind.listener) agent_ = listen_at(kAgent, SOCK_STREAM);
  args.insert(args.end(), {"--bundle", bundle_->path(), id()});
  Outcome outcome = call_by(maker, args);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  if (outcome.code != 0) return false;
  if (kind.terminal) terminal_ = receive_descriptor(console_.get());
  if (kind.listener && verb == "run") take_listener();
  return true;
}

// The agent's part: it holds the listener. The payload makes no call that it would have to answer.
// A start that was refused has connected to it as well, and has sent nothing.
void Upgrade::take_listener() {
  for (int i = 0; i < 8 && !notifications_; i++) {
    UniqueFd connection(accept4(agent_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection) break;
    Message message = receive_message(connection.get());
    if (!message.descriptors.empty()) notifications_ = std::move(message.descriptors[0]);
  }
  ASSERT_TRUE(notifications_) << "the agent got no listener";
}

void Upgrade::start_by(const std::string& manager, const Kind& kind) {
  Outcome outcome = call_by(manager, {"start", id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  if (kind.listener) take_listener();
}

std::string Upgrade::status_by(const std::string& manager) const {
  Outcome outcome = call_by(manager, {"state", id()});
  auto state = json::parse(outcome.out, nullptr, false);
  return state.is_object() ? state["status"].get<std::string>() : describe(outcome);
}

void Upgrade::manage(const std::string& manager) const {
  auto done = [&](std::vector<std::string> args) {
    Outcome outcome = call_by(manager, args);
    EXPECT_EQ(outcome.code, 0) << args[0] << ": " << describe(outcome);
    return outcome.out;
  };
  EXPECT_EQ(status_by(manager), "running");
  EXPECT_NE(done({"list"}).find(id() + " "), std::string::npos);
  EXPECT_NE(done({"ps", "--format", "json", id()}).find('['), std::string::npos);
  EXPECT_EQ(done({"exec", id(), "/bin/payload", "print", "hi"}), "hi\n");
  EXPECT_EQ(call_by(manager, {"exec", id(), "/bin/payload", "exit", "7"}).code, 7);
  EXPECT_EQ(call_by(manager, {"exec", id(), "/bin/nowhere"}).code, 127);
  done({"pause", id()});
  EXPECT_EQ(status_by(manager), "paused");
  done({"resume", id()});
  EXPECT_EQ(status_by(manager), "running");
  if (has_controller("pids")) done({"update", "--pids-limit", "77", id()});
  EXPECT_TRUE(json::parse(done({"events", "--stats", id()}), nullptr, false).is_object());
  done({"kill", id(), "0"});
  EXPECT_NE(call_by(manager, {"start", id()}).err.find("already running"), std::string::npos);
  EXPECT_NE(call_by(manager, {"delete", id()}).err.find("running"), std::string::npos);
  EXPECT_NE(call_by(manager, {"checkpoint", "--image-path", "/run/tests/images", id()}).code, 0);
  remove_tree("/run/tests/images");
  EXPECT_EQ(status_by(manager), "running");
}

void Upgrade::end_by_kill(const std::string& manager) const {
  Running waiting({manager, "--root", root_, "wait", id()}, options_);
  EXPECT_EQ(call_by(manager, {"kill", id(), "KILL"}).code, 0);
  Outcome waited = waiting.finish();
  EXPECT_TRUE(waited.code == 137 || waited.code == 1) << describe(waited);  // 1: it came too late for the status
  EXPECT_TRUE(eventually([&] { return status_by(manager) == "stopped"; })) << status_by(manager);
  Outcome outcome = call_by(manager, {"delete", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
}

void Upgrade::end_by_stop(const std::string& manager) const {
  Outcome outcome = call_by(manager, {"stop", "--timeout", "200ms", id()});
  EXPECT_TRUE(outcome.code == 0 || outcome.code == 137) << describe(outcome);
  EXPECT_EQ(status_by(manager), "stopped");
  outcome = call_by(manager, {"delete", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
}

void Upgrade::end_by_force(const std::string& manager) const {
  Outcome outcome = call_by(manager, {"delete", "--force", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(call_by(manager, {"state", id()}).err.find("does not exist"), std::string::npos);
}

std::string Upgrade::hooks_that_ran() const {
  std::string ran;
  for (const char* kind : kHooks)
    if (access((bundle_->rootfs() + "/tmp/" + kind).c_str(), F_OK) == 0)
      ran += std::string(ran.empty() ? "" : " ") + kind;
  return ran;
}

}  // namespace minirun::testing
