// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/console.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <chrono>

#include "tests/unit/supervise/foreground_rig.h"

namespace minirun {
namespace {

using rig::Foreground;
using rig::Init;
using rig::Setting;

TEST(CheckConsole, KnowsWhichOptionsFitTogether) {
  EXPECT_TRUE(check_console(false, false, "").ok());
  EXPECT_TRUE(check_console(false, true, "").ok());
  EXPECT_TRUE(check_console(true, false, "").ok());
  EXPECT_TRUE(check_console(true, true, "/s").ok());
  EXPECT_FALSE(check_console(true, true, "").ok());
  EXPECT_FALSE(check_console(true, false, "/s").ok());
  EXPECT_FALSE(check_console(false, true, "/s").ok());
  EXPECT_FALSE(check_console(false, false, "/s").ok());
}

TEST(CheckTerminal, IsThisSideOfAPseudoTerminalAndNothingElse) {
  UniqueFd master(open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master) GTEST_SKIP() << "no devpts";
  EXPECT_TRUE(check_terminal(master.get()).ok());
  ASSERT_EQ(unlockpt(master.get()), 0);
  UniqueFd peer(ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(peer);
  EXPECT_FALSE(check_terminal(peer.get()).ok());
  for (const char* path : {"/dev/null", "/dev/pts", "/proc/self/status", "/"}) {
    UniqueFd other(open(path, O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(other) << path;
    EXPECT_FALSE(check_terminal(other.get()).ok()) << path;
  }
  EXPECT_FALSE(check_terminal(-1).ok());
}

// --- the console socket

class ConsoleSocket : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/minirun-console-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    (void)unlinkat(AT_FDCWD, (directory_ + "/s").c_str(), 0);
    (void)unlinkat(AT_FDCWD, (long_directory() + "/s").c_str(), 0);
    (void)rmdir(long_directory().c_str());
    (void)rmdir(directory_.c_str());
  }
  std::string long_directory() const { return directory_ + "/" + std::string(200, 'x'); }

  static UniqueFd listen_at(const std::string& path, int backlog) {
    UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string directory = path.substr(0, path.rfind('/'));
    UniqueFd parent(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/s", parent.get());
    EXPECT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener.get(), backlog), 0);
    return listener;
  }

  // What a listener gets: the text and exactly one descriptor, which must be the one that was sent.
  static void expect_delivery(int listener, const rig::Pipe& sent) {
    ASSERT_TRUE(rig::readable(listener));
    UniqueFd connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    char text[4096];
    iovec part{text, sizeof text};
    alignas(cmsghdr) char rights[CMSG_SPACE(4 * sizeof(int))];
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = rights;
    header.msg_controllen = sizeof rights;
    ssize_t n = recvmsg(connection.get(), &header, MSG_CMSG_CLOEXEC);
    EXPECT_GT(n, 0);
    EXPECT_LT(n, 4096);
    cmsghdr* first = CMSG_FIRSTHDR(&header);
    ASSERT_NE(first, nullptr);
    ASSERT_EQ(first->cmsg_len, CMSG_LEN(sizeof(int)));
    int number = -1;
    std::memcpy(&number, CMSG_DATA(first), sizeof number);
    UniqueFd got(number);
    EXPECT_TRUE(rig::write_bytes(got.get(), "x"));
    EXPECT_EQ(rig::read_bytes(sent.reader.get(), 1), "x");
    EXPECT_EQ(read(connection.get(), text, 1), 0) << "closed after the message";
  }

  std::string directory_;
};

TEST_F(ConsoleSocket, GetsANameAndOneDescriptor) {
  UniqueFd listener = listen_at(directory_ + "/s", 1);
  rig::Pipe pipe = rig::make_pipe();
  auto sent = send_console(directory_ + "/s", pipe.writer.get());
  ASSERT_TRUE(sent.ok()) << sent.error().text();
  expect_delivery(listener.get(), pipe);
}

TEST_F(ConsoleSocket, MayHaveAPathThatDoesNotFitIntoAnAddress) {
  ASSERT_EQ(mkdir(long_directory().c_str(), 0700), 0);
  UniqueFd listener = listen_at(long_directory() + "/s", 1);
  rig::Pipe pipe = rig::make_pipe();
  auto sent = send_console(long_directory() + "/s", pipe.writer.get());
  ASSERT_TRUE(sent.ok()) << sent.error().text();
  expect_delivery(listener.get(), pipe);
}

TEST_F(ConsoleSocket, AbsentIsAnErrorThatNamesIt) {
  auto sent = send_console(directory_ + "/s", 0);
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().code, ENOENT);
  EXPECT_NE(sent.error().message.find(directory_ + "/s"), std::string::npos);
  EXPECT_EQ(send_console(long_directory() + "/s", 0).error().code, ENOENT);
}

TEST_F(ConsoleSocket, WithoutAListenerIsRefused) {
  { UniqueFd listener = listen_at(directory_ + "/s", 1); }
  EXPECT_EQ(send_console(directory_ + "/s", 0).error().code, ECONNREFUSED);
}

TEST_F(ConsoleSocket, ThatNeverReadsDelaysNothing) {
  UniqueFd listener = listen_at(directory_ + "/s", 1);
  rig::Pipe pipe = rig::make_pipe();
  EXPECT_TRUE(send_console(directory_ + "/s", pipe.writer.get()).ok());
}

TEST_F(ConsoleSocket, WithAFullBacklogIsGivenUpInTime) {
  UniqueFd listener = listen_at(directory_ + "/s", 0);
  rig::Pipe pipe = rig::make_pipe();
  auto begin = std::chrono::steady_clock::now();
  int code = 0;
  for (int i = 0; i < 3 && code == 0; i++) {
    auto sent = send_console(directory_ + "/s", pipe.writer.get(), 100);
    if (!sent.ok()) code = sent.error().code;
  }
  EXPECT_EQ(code, ETIMEDOUT);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST_F(ConsoleSocket, ThatHangsUpInsteadOfReadingIsNoDeath) {
  UniqueFd listener = listen_at(directory_ + "/s", 1);
  rig::Pipe pipe = rig::make_pipe();
  pid_t pid = fork();
  if (pid == 0) _exit(close(accept(listener.get(), nullptr, nullptr)));
  auto sent = send_console(directory_ + "/s", pipe.writer.get());
  EXPECT_TRUE(sent.ok() || sent.error().code == EPIPE || sent.error().code == ECONNRESET) << sent.error().text();
  (void)waitpid(pid, nullptr, 0);
}

// --- the caller's terminal

bool same(const termios& a, const termios& b) {
  return a.c_iflag == b.c_iflag && a.c_oflag == b.c_oflag && a.c_cflag == b.c_cflag && a.c_lflag == b.c_lflag &&
         std::memcmp(a.c_cc, b.c_cc, sizeof a.c_cc) == 0;
}

termios settings_of(int fd) {
  termios settings{};
  EXPECT_EQ(tcgetattr(fd, &settings), 0);
  return settings;
}

TEST(RawTerminal, IsGivenBackAsItWas) {
  rig::Pty pty = rig::open_pty();
  termios odd = settings_of(pty.slave.get());
  odd.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  odd.c_cc[VINTR] = 7;
  ASSERT_EQ(tcsetattr(pty.slave.get(), TCSANOW, &odd), 0);
  odd = settings_of(pty.slave.get());
  {
    auto terminal = RawTerminal::open(pty.slave.get());
    ASSERT_TRUE(terminal.ok());
    EXPECT_TRUE(terminal->is_foreground());
    ASSERT_TRUE(terminal->make_raw().ok());
    RawTerminal moved = std::move(*terminal);
    termios raw = settings_of(pty.slave.get());
    EXPECT_EQ(raw.c_lflag & (ICANON | ECHO | ISIG), 0U);
    EXPECT_EQ(raw.c_oflag & OPOST, 0U);
  }
  EXPECT_TRUE(same(settings_of(pty.slave.get()), odd));
}

TEST(RawTerminal, NeedsATerminal) {
  rig::Pipe pipe = rig::make_pipe();
  EXPECT_EQ(RawTerminal::open(pipe.reader.get()).error().code, ENOTTY);
}

// --- the watchdog

pid_t child_of(pid_t parent, const char* name) {
  char path[64];
  (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", parent, parent);
  FILE* file = fopen(path, "re");
  if (file == nullptr) return -1;
  pid_t found = -1;
  for (int pid = 0; found < 0 && fscanf(file, "%d", &pid) == 1;) {
    (void)snprintf(path, sizeof path, "/proc/%d/comm", pid);
    char comm[32] = {};
    UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
    ssize_t n = read(fd.get(), comm, sizeof comm - 1);
    if (n > 0 && std::string(comm) == std::string(name) + "\n") found = pid;
  }
  (void)fclose(file);
  return found;
}

int wait_for_hang_up(const Init& init) {
  return rig::read_bytes(init.terminal, 1) == "q" ? 0 : 1;
}

struct GuardedRun {
  rig::Pty caller = rig::open_pty();
  termios before = settings_of(caller.slave.get());
  UniqueFd cgroup_kill{open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};

  Setting options(std::function<void()> first = [] {}) {
    return Setting{.init = wait_for_hang_up,
                   .terminal = true,
                   .input = caller.slave.get(),
                   .output = caller.slave.get(),
                   .cgroup_kill = cgroup_kill.get(),
                   .before = std::move(first)};
  }
  bool given_back() { return same(settings_of(caller.slave.get()), before); }
  bool cgroup_killed() {
    char byte = 0;
    return pread(cgroup_kill.get(), &byte, 1, 0) == 1 && byte == '1';
  }
};

TEST(Guard, GivesTheTerminalBackAndKillsTheCgroupWhenMinirunIsKilled) {
  GuardedRun guarded;
  Foreground run(guarded.options());
  run.await_start();
  EXPECT_TRUE(rig::is_raw(guarded.caller.slave.get()));
  EXPECT_FALSE(guarded.cgroup_killed());
  ASSERT_EQ(kill(run.pid(), SIGKILL), 0);
  EXPECT_TRUE(rig::eventually([&] { return guarded.given_back(); }));
  EXPECT_TRUE(rig::eventually([&] { return guarded.cgroup_killed(); }));
}

TEST(Guard, OutlivesAKillOfTheWholeProcessGroup) {
  GuardedRun guarded;
  Foreground run(guarded.options([] { (void)setpgid(0, 0); }));
  run.await_start();
  ASSERT_EQ(kill(-run.pid(), SIGKILL), 0);
  EXPECT_TRUE(rig::eventually([&] { return guarded.given_back(); }));
  EXPECT_TRUE(rig::eventually([&] { return guarded.cgroup_killed(); }));
}

TEST(Guard, IsGoneAfterAnOrdinaryEndEvenWhenItIsStopped) {
  GuardedRun guarded;
  Foreground run(guarded.options());
  run.await_start();
  pid_t guard = -1;
  ASSERT_TRUE(rig::eventually([&] { return (guard = child_of(run.pid(), "minirun-guard")) > 0; }));
  UniqueFd pidfd = rig::pidfd_of(guard);
  ASSERT_EQ(kill(guard, SIGSTOP), 0);
  EXPECT_TRUE(rig::write_bytes(guarded.caller.master.get(), "q\r"));
  EXPECT_EQ(run.finish().wait_status, 0);
  EXPECT_TRUE(rig::readable(pidfd.get()));
  EXPECT_TRUE(rig::eventually([&] { return kill(guard, 0) < 0 && errno == ESRCH; })) << "not reaped";
  EXPECT_TRUE(guarded.given_back());
  EXPECT_FALSE(guarded.cgroup_killed());
}

TEST(Guard, HoldsNothingButWhatItGuards) {
  GuardedRun guarded;
  Foreground run(guarded.options());
  run.await_start();
  pid_t guard = -1;
  ASSERT_TRUE(rig::eventually([&] { return (guard = child_of(run.pid(), "minirun-guard")) > 0; }));
  char path[64];
  auto held = [&] {
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
      (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", guard, fd);
      struct stat facts {};
      count += lstat(path, &facts) == 0 ? 1 : 0;
    }
    return count;
  };
  EXPECT_TRUE(rig::eventually([&] { return held() == 3; })) << held();
  EXPECT_EQ(getpgid(guard), guard);
}

TEST(Guard, WhoseDeathIsNotMissedLeavesMinirunRunning) {
  GuardedRun guarded;
  Foreground run(guarded.options());
  run.await_start();
  pid_t guard = -1;
  ASSERT_TRUE(rig::eventually([&] { return (guard = child_of(run.pid(), "minirun-guard")) > 0; }));
  ASSERT_EQ(kill(guard, SIGKILL), 0);
  EXPECT_TRUE(rig::write_bytes(guarded.caller.master.get(), "q\r"));
  EXPECT_EQ(run.finish().wait_status, 0);
  EXPECT_TRUE(guarded.given_back());
}

TEST(Guard, IsNotStartedWithoutAnythingToGuard) {
  EXPECT_EQ(Watchdog().pid(), -1);
  Foreground run(Setting{.init = [](const Init& init) { return rig::read_bytes(init.terminal, 1).empty() ? 1 : 0; },
                         .terminal = true});
  run.await_start();
  EXPECT_EQ(child_of(run.pid(), "minirun-guard"), -1);
}

}  // namespace
}  // namespace minirun
