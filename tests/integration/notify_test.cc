// SPDX-License-Identifier: Apache-2.0
// NOTIFY_SOCKET (sd_notify(3)): the workload says when the service is ready, and the host hears that and no more.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <mutex>
#include <thread>

#include "tests/support/descriptors.h"
#include "tests/support/fixture.h"
#include "tests/support/subreaper.h"

namespace minirun::testing {
namespace {

constexpr const char* kHost = "/run/tests/host-notify";

// The service manager: hears everything, and closes the descriptors at once.
class Manager {
 public:
  explicit Manager(const std::string& path)
      : path_(path), socket_(listen_at(path, SOCK_DGRAM)), stop_(eventfd(0, EFD_CLOEXEC)) {
    thread_ = std::thread([this] { serve(); });
  }
  ~Manager() {
    uint64_t one = 1;
    EXPECT_EQ(write(stop_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    thread_.join();
    if (path_[0] == '/') (void)unlink(path_.c_str());
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  // One line for each datagram that was sent until now: the text, with "|" for a newline, and "+N" where it had
  // descriptors.
  std::string heard() {
    for (;;) {
      {
        std::lock_guard<std::mutex> lock(mutex_);
        pollfd waits{socket_.get(), POLLIN, 0};
        if (poll(&waits, 1, 0) <= 0) return heard_;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  bool has_heard(const std::string& text) {
    return eventually([&] { return heard().find(text) != std::string::npos; });
  }

 private:
  void serve() {
    for (;;) {
      std::array<pollfd, 2> polls = {{{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
      if (poll(polls.data(), polls.size(), -1) < 0 || polls[1].revents != 0) return;
      // What is received is heard at once: see heard().
      std::lock_guard<std::mutex> lock(mutex_);
      Message message = receive_message(socket_.get());
      for (char& c : message.text)
        if (c == '\n') c = '|';
      heard_ += message.text;
      if (!message.descriptors.empty()) heard_ += "+" + std::to_string(message.descriptors.size());
      heard_ += "\n";
    }
  }

  std::string path_;
  UniqueFd socket_;
  UniqueFd stop_;
  std::mutex mutex_;
  std::string heard_;
  std::thread thread_;
};

class Notify : public WithSubreaper<MinirunTest> {
 protected:
  static StartOptions notified(const std::string& socket = kHost) {
    StartOptions options;
    options.env.push_back("NOTIFY_SOCKET=" + socket);
    return options;
  }
  void create(const std::vector<std::string>& args, const std::string& socket = kHost) {
    bundle_.payload(args);
    bundle_.write();
    // What outlives create must not hold the pipes of the test.
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions options = notified(socket);
    options.stdout_fd = nowhere.get();
    Outcome outcome = call({"create", "--pid-file", kPidFile, "--bundle", bundle_.path(), id()}, options);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    pid_ = container_pid();
  }
  static std::string ready(pid_t pid) { return "READY=1|MAINPID=" + std::to_string(pid) + "\n"; }
  void end() {
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    EXPECT_EQ(waitpid(pid_, nullptr, 0), pid_);
  }
  std::string socket_file() const { return std::string(kState) + "/" + id() + "/notify/notify.sock"; }

  Bundle bundle_;
  pid_t pid_ = 0;
};

TEST_F(Notify, StartEndsWhenTheWorkloadIsReady) {
  Manager host(kHost);
  // The config's own variable is the engine's: the host's path means nothing inside.
  bundle_.config["process"]["env"].push_back("NOTIFY_SOCKET=/host");
  create({"notify", "STATUS=half way", "file:/tmp/go", "READY=1", "pause"});
  Running start(minirun({"start", id()}), notified());
  EXPECT_TRUE(host.has_heard("STATUS=half way\n")) << host.heard();
  // It waits, and blocks no other command on the container.
  Outcome outcome = call({"pause", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(call({"resume", id()}).code, 0);
  EXPECT_EQ(kill(start.pid(), 0), 0);
  bundle_.add_file("/tmp/go", "");
  outcome = start.finish();
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  // The barrier is minirun's own: the manager knows of the main process before minirun has gone.
  EXPECT_EQ(host.heard(), "STATUS=half way\n" + ready(pid_) + "BARRIER=1+1\n");
  EXPECT_EQ(access(socket_file().c_str(), F_OK), -1) << "the socket is closed";
  end();
}

TEST_F(Notify, DetachedRunEndsWhenTheWorkloadIsReady) {
  Manager host(kHost);
  bundle_.payload({"notify", "READY=1\nSTATUS=up", "pause"});
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options = notified();
  options.stdout_fd = nowhere.get();
  Outcome outcome = run(bundle_, {"--detach", "--pid-file", kPidFile}, options);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  pid_ = container_pid();
  EXPECT_EQ(host.heard(), "READY=1|MAINPID=" + std::to_string(pid_) + "|STATUS=up\nBARRIER=1+1\n");
  end();
}

// minirun stays, and is the unit's main process.
TEST_F(Notify, ForegroundRunRelaysToTheEnd) {
  Manager host(kHost);
  bundle_.payload({"notify", "READY=1", "fds:1:BARRIER=1", "STATUS=works", "STATUS=last words"});
  Outcome outcome = run(bundle_, {}, notified());
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out, "socket /run/notify/notify.sock\n1 closed\n");
  EXPECT_EQ(host.heard(), "READY=1\nBARRIER=1+1\nSTATUS=works\nSTATUS=last words\n");
}

TEST_F(Notify, WithoutInitAndAsAnotherUser) {
  Manager host(kHost);
  bundle_.config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
  bundle_.payload({"notify", "READY=1"});
  Outcome outcome = run(bundle_, {"--no-init"}, notified());
  EXPECT_EQ(outcome.out, "socket /run/notify/notify.sock\n") << describe(outcome);
  EXPECT_EQ(host.heard(), "READY=1\n");
}

TEST_F(Notify, ContainerOfAUserNamespaceReachesIt) {
  Manager host(kHost);
  bundle_.config["linux"]["namespaces"].push_back({{"type", "user"}});
  for (const char* mappings : {"uidMappings", "gidMappings"})
    bundle_.config["linux"][mappings] = {{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}};
  ASSERT_EQ(chmod(bundle_.path().c_str(), 0755), 0);
  bundle_.add_folder("/run/notify");  // no user of the namespace may make it in this image
  bundle_.payload({"notify", "READY=1"});
  Outcome outcome = run(bundle_, {}, notified());
  EXPECT_EQ(outcome.out, "socket /run/notify/notify.sock\n") << describe(outcome);
  EXPECT_EQ(host.heard(), "READY=1\n");
}

TEST_F(Notify, LongPathsAndAbstractNames) {
  std::string folder = "/run/tests/" + std::string(120, 'd');
  make_folders(folder);
  for (const std::string& path : {folder + "/notify", std::string("@minirun-test-notify")}) {
    Manager host(path);
    bundle_.payload({"notify", "READY=1"});
    Outcome outcome = run(bundle_, {}, notified(path));
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(host.heard(), "READY=1\n");
  }
  remove_tree(folder);
  // So may be the state root's.
  Manager host(kHost);
  std::string root = "/run/tests/" + std::string(150, 's');
  bundle_.write();
  Outcome outcome =
      Running({minirun({})[0], "--root", root, "run", "--bundle", bundle_.path(), id()}, notified()).finish();
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(host.heard(), "READY=1\n");
  remove_tree(root);
}

TEST_F(Notify, ReadyNeverCame) {
  Manager host(kHost);
  create({"notify", "STATUS=no", "file:/tmp/go"});
  bundle_.add_file("/tmp/go", "");
  Outcome outcome = call({"start", id()}, notified());
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.err.find("start " + id() + ": the container ended without READY=1"), std::string::npos);
  EXPECT_EQ(host.heard(), "STATUS=no\n");
  end();
}

TEST_F(Notify, WaitingIsGivenUpBySignal) {
  Manager host(kHost);
  create({"notify", "STATUS=here", "pause"});
  Running start(minirun({"start", id()}), notified());
  ASSERT_TRUE(host.has_heard("STATUS=here\n"));
  start.send(SIGTERM);
  Outcome outcome = start.finish();
  EXPECT_EQ(outcome.code, 128 + SIGTERM) << describe(outcome);
  EXPECT_NE(outcome.err.find("start " + id() + ": the container runs, but"), std::string::npos) << outcome.err;
  EXPECT_EQ(kill(pid_, 0), 0);
  end();
}

TEST_F(Notify, KilledRuntimeLeavesNothingThatDeleteDoesNotTake) {
  Manager host(kHost);
  create({"notify", "STATUS=here", "pause"});
  {
    Running start(minirun({"start", id()}), notified());
    ASSERT_TRUE(host.has_heard("STATUS=here\n"));
    start.send(SIGKILL);
    EXPECT_EQ(start.finish().code, -SIGKILL);
  }
  EXPECT_EQ(access(socket_file().c_str(), F_OK), 0);
  end();
  expect_refused(call({"state", id()}), {"container does not exist"});
}

TEST_F(Notify, HostileWordsAreNotRelayed) {
  Manager host(kHost);
  bundle_.payload({"notify",
                   "MAINPID=1",
                   "FDSTORE=1\nFDNAME=x",
                   "WATCHDOG=1",
                   "EXTEND_TIMEOUT_USEC=99999999",
                   "STOPPING=1\nNOTIFYACCESS=all\nREADY=0",
                   "XREADY=1",
                   "STATUS=a\tb",
                   "STATUS=a\x1b[2J",
                   "long:4094",
                   "long:100000",
                   "",
                   "\n\n",
                   "fds:3:FDSTORE=1",
                   "fds:253:READY=1\nMAINPID=1",
                   "fds:2:BARRIER=1",
                   "BARRIER=1",
                   "fds:1:BARRIER=1\nREADY=1",
                   "fds:1:STATUS=fine\nMAINPID=1",
                   "fds:1:BARRIER=1\n"});
  Outcome outcome = run(bundle_, {}, notified());
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out,
            "socket /run/notify/notify.sock\n3 closed\n253 closed\n2 closed\n1 closed\n1 closed\n1 closed\n");
  EXPECT_EQ(host.heard(), "READY=1\nBARRIER=1+1\nREADY=1\nSTATUS=fine\nBARRIER=1+1\n");
}

// Its own descriptor goes nowhere: to close one of a filesystem in user space would be to wait for the container.
TEST_F(Notify, BarrierOfTheContainerWaitsForTheHost) {
  UniqueFd host = listen_at(kHost, SOCK_DGRAM);
  bundle_.payload({"notify", "fds:1:BARRIER=1", "STATUS=past it"});
  bundle_.write();
  Running foreground(run_command(bundle_, {"--no-init", "--pid-file", kPidFile}), notified());
  Message barrier = receive_message(host.get());
  EXPECT_EQ(barrier.text, "BARRIER=1");
  ASSERT_EQ(barrier.descriptors.size(), 1u);
  std::string link = link_target(fmt::format("/proc/self/fd/{}", barrier.descriptors[0].get()));
  EXPECT_TRUE(link.starts_with("pipe:[")) << link;
  auto pipes = [&] {
    int count = 0;
    for (int fd = 0; fd < 16; fd++) {
      std::string other = link_target(fmt::format("/proc/{}/fd/{}", container_pid(), fd));
      EXPECT_NE(other, link) << fd;
      count += other.starts_with("pipe:[") ? 1 : 0;
    }
    return count;
  };
  // It closes the end that it has sent after the message is here.
  EXPECT_TRUE(eventually([&] { return pipes() == 3; })) << "stdout, stderr and its own end of its barrier: " << pipes();
  EXPECT_FALSE(foreground.wait_for("1 closed", 100)) << "it is not passed";
  barrier.descriptors.clear();
  EXPECT_TRUE(foreground.wait_for("1 closed"));
  EXPECT_EQ(receive_message(host.get()).text, "STATUS=past it");
  Outcome outcome = foreground.finish();
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(unlink(kHost), 0);
}

TEST_F(Notify, FloodHoldsNoSignalUp) {
  Manager host(kHost);
  bundle_.payload({"notify", "flood"});
  bundle_.write();
  Running foreground(run_command(bundle_), notified());
  ASSERT_TRUE(host.has_heard("STATUS=again\n"));
  foreground.send(SIGTERM);
  EXPECT_EQ(foreground.finish().code, 128 + SIGTERM);
}

// The container waits for a host that does not read, and minirun for neither.
TEST_F(Notify, DeafHostHoldsNoSignalUp) {
  UniqueFd deaf = listen_at(kHost, SOCK_DGRAM);
  bundle_.payload({"notify", "flood"});
  bundle_.write();
  Running foreground(run_command(bundle_), notified());
  ASSERT_TRUE(foreground.wait_for("socket "));
  foreground.send(SIGTERM);
  EXPECT_EQ(foreground.finish().code, 128 + SIGTERM);
  EXPECT_EQ(unlink(kHost), 0);
}

TEST_F(Notify, HostThatGoesDoesNotEndTheContainer) {
  bundle_.payload({"notify", "file:/tmp/go", "READY=1", "file:/tmp/heard", "STATUS=x"});
  bundle_.write();
  UniqueFd host = listen_at(kHost, SOCK_DGRAM);
  Running foreground(run_command(bundle_), notified());
  ASSERT_TRUE(foreground.wait_for("socket "));
  host.reset();
  EXPECT_EQ(unlink(kHost), 0);
  bundle_.add_file("/tmp/go", "");
  EXPECT_TRUE(foreground.wait_for_error("NOTIFY_SOCKET"));
  bundle_.add_file("/tmp/heard", "");
  Outcome outcome = foreground.finish();
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.err.find("send to NOTIFY_SOCKET: connection refused"), std::string::npos) << describe(outcome);
  EXPECT_NE(outcome.out.find("not sent: "), std::string::npos) << "the workload gets the error";
}

// What is wrong with the caller's environment is no reason not to run.
TEST_F(Notify, SocketThatNamesNothingIsAWarning) {
  bundle_.payload({"exit", "7"});
  const std::string rest = ": the service manager gets no messages from this container\n";
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"relative", "NOTIFY_SOCKET=relative: must be an absolute path or an abstract name (@NAME)"},
      {"@", "NOTIFY_SOCKET=@: must be an absolute path or an abstract name (@NAME)"},
      {"/run/tests/missing", "connect to NOTIFY_SOCKET /run/tests/missing: no such file or directory"},
      {"@unheard", "connect to NOTIFY_SOCKET @unheard: connection refused"},
      {"@" + std::string(120, 'x'), "@" + std::string(120, 'x') + ": file name too long"}};
  for (const auto& [name, why] : bad) {
    Outcome outcome = run(bundle_, {}, notified(name));
    EXPECT_EQ(outcome.code, 7) << name << describe(outcome);
    EXPECT_EQ(outcome.err, "minirun: warning: " + why + rest) << name;
  }
  EXPECT_EQ(run(bundle_, {}, notified("")).err, "") << "as if it were not set";
  // By create and by start, and by a detached run, which then does not wait.
  create({"pause"}, "/run/tests/missing");
  Outcome started = call({"start", id()}, notified("/run/tests/missing"));
  EXPECT_EQ(started.code, 0) << describe(started);
  end();
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options = notified("/run/tests/missing");
  options.stdout_fd = nowhere.get();
  Outcome detached = run(bundle_, {"--detach", "--pid-file", kPidFile}, options);
  pid_ = container_pid();
  EXPECT_EQ(detached.code, 0) << describe(detached);
  end();
}

// start goes by its own environment; without a socket it does not wait.
TEST_F(Notify, StartWithoutAnybodyToTellDoesNotWait) {
  Manager host(kHost);
  create({"notify", "READY=1", "pause"});
  Outcome outcome = call({"start", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  end();
  bundle_.config["process"]["args"] = {"/bin/payload", "pause"};
  create({"pause"}, "");
  EXPECT_EQ(call({"start", id()}, notified()).code, 0);
  end();
  EXPECT_EQ(host.heard(), "");
}

}  // namespace
}  // namespace minirun::testing
