// SPDX-License-Identifier: Apache-2.0
// SCMP_ACT_NOTIFY: an agent in this program that gets the listener and answers. runtime-spec config-linux.md,
// "Seccomp"; seccomp_unotify(2).
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <thread>

#include "namespaces/plan.h"
#include "tests/support/descriptors.h"
#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

constexpr const char* kAgent = "/run/tests/agent";

// Serves processes one after the other, as many as were said: takes the message, then answers getppid(2) with 4242,
// mkdir(2) with ENOTTY, and lets every other call go on.
class Agent {
 public:
  explicit Agent(int processes = 1) : listener_(listen_at(kAgent, SOCK_STREAM)), stop_(eventfd(0, EFD_CLOEXEC)) {
    thread_ = std::thread([this, processes] {
      for (int i = 0; i < processes; i++) serve();
    });
  }
  ~Agent() {
    (void)finish();
    (void)unlink(kAgent);
  }
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // To be called once the container has ended: what the last message said.
  const json& finish() {
    uint64_t one = 1;
    EXPECT_EQ(write(stop_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    if (thread_.joinable()) thread_.join();
    return message_;
  }
  size_t descriptors() const { return descriptors_; }
  bool hung_up() const { return hung_up_; }
  int answered() const { return answered_; }
  int continued() const { return continued_; }

 private:
  bool wait_for(int fd) {
    std::array<pollfd, 2> polls = {{{fd, POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    return poll(polls.data(), polls.size(), -1) > 0 && (polls[0].revents & POLLIN) != 0;
  }

  void serve() {
    if (!wait_for(listener_.get())) return;
    UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    UniqueFd notifications = receive(connection.get());
    char more = 0;
    hung_up_ = read(connection.get(), &more, 1) == 0;
    while (notifications && wait_for(notifications.get())) answer(notifications.get());
  }

  UniqueFd receive(int connection) {
    Message message = receive_message(connection);
    message_ = json::parse(message.text, nullptr, false);
    descriptors_ = message.descriptors.size();
    return message.descriptors.empty() ? UniqueFd() : std::move(message.descriptors[0]);
  }

  void answer(int fd) {
    seccomp_notif asked{};
    if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0) return;  // the caller has been killed
    seccomp_notif_resp reply{};
    reply.id = asked.id;
    if (asked.data.nr == SYS_getppid) {
      reply.val = 4242;
    } else if (asked.data.nr == SYS_mkdirat) {
      reply.error = -ENOTTY;
    } else {
      reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    }
    (reply.flags == 0 ? answered_ : continued_)++;
    (void)ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &reply);
  }

  UniqueFd listener_;
  UniqueFd stop_;
  json message_;
  size_t descriptors_ = 0;
  bool hung_up_ = false;
  std::atomic<int> answered_ = 0;
  std::atomic<int> continued_ = 0;
  std::thread thread_;
};

class SeccompAgent : public MinirunTest {
 protected:
  SeccompAgent() {
    bundle_.config["linux"]["seccomp"] = notify({"getppid", "mkdirat"});
    bundle_.config["annotations"] = {{"org.example.key", "value"}};
    bundle_.payload({"syscall", std::to_string(SYS_getppid)});
  }
  static json notify(const std::vector<std::string>& names) {
    return {{"defaultAction", "SCMP_ACT_ALLOW"},
            {"listenerPath", kAgent},
            {"listenerMetadata", "some \"words\""},
            {"syscalls", {{{"names", names}, {"action", "SCMP_ACT_NOTIFY"}}}}};
  }
  // The message, field by field.
  void expect_message(const json& message, const std::string& status, pid_t pid, pid_t container) {
    ASSERT_TRUE(message.is_object());
    EXPECT_EQ(message["ociVersion"], "1.3.0");
    EXPECT_EQ(message["fds"], json::array({"seccompFd"}));
    EXPECT_EQ(message["metadata"], "some \"words\"");
    EXPECT_EQ(message["pid"], pid);
    const json& state = message["state"];
    EXPECT_EQ(state["ociVersion"], "1.3.0");
    EXPECT_EQ(state["id"], id());
    EXPECT_EQ(state["status"], status);
    EXPECT_EQ(state["pid"], container);
    EXPECT_EQ(state["bundle"], bundle_.path());
    EXPECT_EQ(state["annotations"]["org.example.key"], "value");
  }
  Bundle bundle_;
};

TEST_F(SeccompAgent, AnswersACallOfRun) {
  for (bool no_new_privileges : {true, false}) {
    for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
      bundle_.config["process"]["noNewPrivileges"] = no_new_privileges;
      Agent agent;
      std::vector<std::string> all = {"--pid-file", kPidFile};
      all.insert(all.end(), flags.begin(), flags.end());
      Outcome outcome = run(bundle_, all);
      EXPECT_EQ(outcome.out, "4242 0\n") << describe(outcome);
      EXPECT_EQ(outcome.code, 0);
      const json& message = agent.finish();
      expect_message(message, "created", container_pid(), container_pid());
      EXPECT_EQ(agent.descriptors(), 1U);
      EXPECT_TRUE(agent.hung_up());
      EXPECT_EQ(agent.answered(), 1);
      EXPECT_EQ(unlink(kPidFile), 0);
    }
  }
}

TEST_F(SeccompAgent, AnswersWithAnErrno) {
  bundle_.payload({"syscall", std::to_string(SYS_mkdirat), "0", "0", "0"});
  Agent agent;
  Outcome outcome = run(bundle_);
  EXPECT_EQ(outcome.out, "-1 " + std::to_string(ENOTTY) + "\n") << describe(outcome);
}

// Whatever the container's own side calls between the filter and the exec waits for an agent that has the listener.
TEST_F(SeccompAgent, MayBeAskedForEveryCall) {
  for (bool no_new_privileges : {true, false}) {
    for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
      bundle_.config["process"]["noNewPrivileges"] = no_new_privileges;
      bundle_.config["linux"]["seccomp"] = notify(
          {"sendmsg", "write", "futex", "recvfrom", "capset", "prctl", "execve", "close", "getppid", "exit_group"});
      bundle_.config["linux"]["seccomp"]["flags"] = {"SECCOMP_FILTER_FLAG_TSYNC"};
      {
        Agent agent;
        Outcome outcome = run(bundle_, flags);
        EXPECT_EQ(outcome.out, "4242 0\n") << describe(outcome);
        (void)agent.finish();
        EXPECT_GE(agent.continued(), 2);  // execve, write
      }
      bundle_.config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_NOTIFY"}, {"listenerPath", kAgent}};
      Agent agent;
      Outcome outcome = run(bundle_, flags);
      EXPECT_EQ(outcome.out, "4242 0\n") << describe(outcome);
      const json& message = agent.finish();
      EXPECT_FALSE(message.contains("metadata")) << message;
    }
  }
}

TEST_F(SeccompAgent, WaitKillableIsTaken) {
  bundle_.config["linux"]["seccomp"]["flags"] = {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"};
  Agent agent;
  Outcome outcome = run(bundle_);
  EXPECT_EQ(outcome.out, "4242 0\n") << describe(outcome);
}

TEST_F(SeccompAgent, GetsTheListenerFromStartAndFromADetachedRun) {
  for (const char* init : {"", "--init"}) {
    bundle_.payload({"pause"});
    bundle_.config["linux"]["seccomp"] = notify({"getppid"});
    bundle_.write();
    std::vector<std::string> create = {"create", "--bundle", bundle_.path(), "--pid-file", kPidFile};
    if (*init != '\0') create.emplace_back(init);
    create.push_back(id());
    StartOptions quiet;
    UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
    quiet.stdout_fd = quiet.stderr_fd = null.get();
    ASSERT_EQ(call(create, quiet).code, 0);
    // Without an agent it stays as it is.
    expect_refused(call({"start", id()}), {"/linux/seccomp/listenerPath", kAgent, "o such file"});
    EXPECT_EQ(json::parse(call({"state", id()}).out)["status"], "created");
    Agent agent;
    Outcome outcome = call({"start", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    pid_t pid = container_pid();
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    expect_message(agent.finish(), "created", pid, pid);
    EXPECT_EQ(unlink(kPidFile), 0);
  }
  Agent agent;
  ASSERT_EQ(detach(bundle_, {"--pid-file", kPidFile}).code, 0);
  pid_t pid = container_pid();
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  expect_message(agent.finish(), "created", pid, pid);
}

TEST_F(SeccompAgent, GetsTheListenerOfAnExec) {
  bundle_.payload({"pause"});
  auto first = std::make_unique<Agent>();
  ASSERT_EQ(detach(bundle_, {"--pid-file", kPidFile}).code, 0);
  pid_t container = container_pid();
  // The first one goes on serving the container itself, at no socket any more.
  ASSERT_EQ(unlink(kAgent), 0);
  std::vector<std::string> exec = {"exec",         "--pid-file", "/run/tests/exec-pid",      id(),
                                   "/bin/payload", "syscall",    std::to_string(SYS_getppid)};
  Outcome outcome = call(exec);
  EXPECT_EQ(outcome.code, 255) << describe(outcome);
  EXPECT_NE(outcome.err.find("/linux/seccomp/listenerPath"), std::string::npos) << outcome.err;
  {
    Agent second;
    outcome = call(exec);
    EXPECT_EQ(outcome.out, "4242 0\n") << describe(outcome);
    const json& message = second.finish();
    pid_t pid = atoi(content("/run/tests/exec-pid").c_str());
    EXPECT_NE(pid, container);
    expect_message(message, "running", pid, container);
  }
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  (void)unlink("/run/tests/exec-pid");
}

TEST_F(SeccompAgent, GetsTheListenerOfAStartContainerHook) {
  const std::string output = "/run/tests/hook-output";
  bundle_.config["annotations"]["run.oci.hooks.stdout"] = output;
  nlohmann::json hook = {{"path", "/bin/payload"}, {"args", {"payload", "syscall", std::to_string(SYS_getppid)}}};
  bundle_.config["hooks"]["startContainer"] = {hook, hook};
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    (void)unlink(output.c_str());
    Agent agent(3);
    Outcome outcome = run(bundle_, flags);
    EXPECT_EQ(outcome.out, "4242 0\n") << describe(outcome);
    EXPECT_EQ(content(output), "4242 0\n4242 0");
    (void)agent.finish();
    EXPECT_EQ(agent.answered(), 3);
  }
  bundle_.payload({"pause"});
  bundle_.write();
  (void)unlink(output.c_str());
  StartOptions quiet;
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  quiet.stdout_fd = quiet.stderr_fd = null.get();
  ASSERT_EQ(call({"create", "--bundle", bundle_.path(), id()}, quiet).code, 0);
  Agent agent(3);
  Outcome outcome = call({"start", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(content(output), "4242 0\n4242 0");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  (void)unlink(output.c_str());
}

// A process that traces the first one of a created container can write its plan, and races the container's own word.
TEST_F(SeccompAgent, IsSentNothingButAListener) {
  constexpr int kRounds = 50, kPatienceMs = 3000;
  bundle_.payload({"pause"});
  bundle_.add_capability("CAP_SYS_PTRACE");
  bundle_.write();
  StartOptions quiet;
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  quiet.stdout_fd = quiet.stderr_fd = null.get();
  const std::string offset = std::to_string(offsetof(PlanHeader, listener));
  bool refused = false;
  for (int round = 0; round < kRounds && !refused; ++round) {
    ASSERT_EQ(call({"create", "--bundle", bundle_.path(), id()}, quiet).code, 0);
    Agent agent(2);
    Running scribbler(minirun({"exec", id(), "/bin/payload", "scribble", offset, std::to_string(kListenerOffered + 1)}),
                      {});
    ASSERT_TRUE(scribbler.wait_for("scribbled")) << scribbler.err();
    // The scribbler may win against minirun's answer, too: then its container waits for ever, as any container can.
    Outcome outcome = Running(minirun({"start", id()}), {}).finish(kPatienceMs);
    refused = outcome.code != 0 && outcome.code != kTimedOut;
    if (refused) {
      EXPECT_NE(outcome.err.find("the container offers "), std::string::npos) << describe(outcome);
    }
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  }
  EXPECT_TRUE(refused) << "the container's own word won each of " << kRounds << " rounds";
}

TEST_F(SeccompAgent, IsNamedWhenItIsNotThere) {
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    expect_refused(run(bundle_, flags), {"/linux/seccomp/listenerPath", kAgent, "o such file"});
  }
  bundle_.config["linux"]["seccomp"].erase("listenerPath");
  bundle_.config["linux"]["seccomp"].erase("listenerMetadata");
  expect_refused(run(bundle_), {"/linux/seccomp/listenerPath", "required"});
}

}  // namespace
}  // namespace minirun::testing
