// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "runtime/supervise/supervisor.h"
#include "tests/unit/supervise/foreground_rig.h"

namespace minirun {
namespace {

using rig::Foreground;
using rig::Init;
using rig::Setting;

TEST(SuperviseTerminal, RelaysBothWays) {
  rig::Pty caller = rig::open_pty();
  Foreground run(Setting{.init =
                             [](const Init& init) {
                               rig::set_raw(init.terminal);
                               (void)rig::write_bytes(init.terminal, ">");
                               std::string line = rig::read_bytes(init.terminal, 5);
                               (void)rig::write_bytes(init.terminal, "got " + line);
                               return 3;
                             },
                         .terminal = true,
                         .input = caller.slave.get(),
                         .output = caller.slave.get()});
  run.await_start();
  EXPECT_EQ(rig::read_bytes(caller.master.get(), 1), ">");
  EXPECT_TRUE(rig::write_bytes(caller.master.get(), "a\x03\x1a\x1c\r"));  // ^C ^Z ^\ are bytes
  EXPECT_EQ(rig::read_bytes(caller.master.get(), 9), "got a\x03\x1a\x1c\r");
  Ended ended = run.finish();
  EXPECT_EQ(ended.wait_status, 3 << 8);
  EXPECT_EQ(ended.output_error, 0);
  EXPECT_FALSE(rig::is_raw(caller.slave.get()));
}

// One program after the other finds it, as at the end of a pipe; in raw mode the key is typed once.
TEST(SuperviseTerminal, EndOfTheInputLasts) {
  rig::Pipe input = rig::make_pipe();
  input.writer.reset();
  Foreground run(Setting{.init =
                             [&](const Init& init) {
                               char byte = 0;
                               for (int reads = 0; reads < 3; ++reads)
                                 if (read(init.terminal, &byte, 1) != 0) return 1;
                               rig::set_raw(init.terminal);
                               pollfd more{init.terminal, POLLIN, 0};
                               for (int reads = 0; poll(&more, 1, reads == 0 ? 5000 : 200) == 1; ++reads)
                                 if (read(init.terminal, &byte, 1) != 1 || reads == 2) return 2;
                               return byte == 4 ? 0 : 3;
                             },
                         .terminal = true,
                         .input = input.reader.get()});
  run.await_start();
  EXPECT_EQ(run.finish().wait_status, 0);
}

TEST(SuperviseTerminal, LosesNothingToASlowReader) {
  const std::string sent = rig::pattern(1 << 20);
  rig::Pipe output = rig::make_pipe();
  Foreground run(Setting{.init =
                             [&](const Init& init) {
                               rig::set_raw(init.terminal);
                               return rig::write_bytes(init.terminal, sent) ? 0 : 1;
                             },
                         .terminal = true,
                         .output = output.writer.get()});
  output.writer.reset();
  run.await_start();
  std::string got;
  for (std::string part = "x"; !part.empty(); got += part) {
    (void)poll(nullptr, 0, 1);
    part = rig::read_bytes(output.reader.get(), 4096);
  }
  EXPECT_TRUE(got == sent) << got.size();
  EXPECT_EQ(run.finish().wait_status, 0);
}

TEST(SuperviseTerminal, HoldsInputBackForASlowWorkload) {
  const std::string sent = rig::pattern(1 << 20);
  rig::Pipe input = rig::make_pipe();
  Foreground run(Setting{.init =
                             [&](const Init& init) {
                               rig::set_raw(init.terminal);
                               init.record("", 1);
                               std::string got;
                               while (got.size() < sent.size()) {
                                 if (got.size() % 65536 == 0) (void)poll(nullptr, 0, 5);
                                 std::string part = rig::read_bytes(init.terminal, 1024);
                                 if (part.empty()) break;
                                 got += part;
                               }
                               return got == sent ? 0 : 1;
                             },
                         .terminal = true,
                         .input = input.reader.get()});
  input.reader.reset();
  run.await_start();
  char ready = 1;
  ASSERT_TRUE(run.record(&ready));
  EXPECT_TRUE(rig::write_bytes(input.writer.get(), sent));
  input.writer.reset();  // the end of the input is not the end of the container
  EXPECT_EQ(run.finish().wait_status, 0);
}

TEST(SuperviseTerminal, KeepsTheExitCodeWhenNobodyReadsTheOutput) {
  rig::Pipe output = rig::make_pipe();
  Foreground run(Setting{.init =
                             [](const Init& init) {
                               rig::set_raw(init.terminal);
                               return rig::write_bytes(init.terminal, rig::pattern(1 << 20)) ? 7 : 1;
                             },
                         .terminal = true,
                         .output = output.writer.get(),
                         .before = [&] { output.reader.reset(); }});
  output.writer.reset();
  run.await_start();
  EXPECT_EQ(rig::read_bytes(output.reader.get(), 1).size(), 1U);
  output.reader.reset();
  Ended ended = run.finish();
  EXPECT_EQ(ended.wait_status, 7 << 8);
  EXPECT_EQ(ended.output_error, EPIPE);
  EXPECT_EQ(ended.last_forwarded_signal, 0) << "the SIGPIPE was minirun's own";
}

TEST(SuperviseTerminal, TellsOfAFullDisk) {
  UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  if (!full) GTEST_SKIP() << "no /dev/full";
  Foreground run(Setting{.init =
                             [](const Init& init) {
                               rig::set_raw(init.terminal);
                               return rig::write_bytes(init.terminal, rig::pattern(100000)) ? 7 : 1;
                             },
                         .terminal = true,
                         .output = full.get()});
  run.await_start();
  Ended ended = run.finish();
  EXPECT_EQ(ended.wait_status, 7 << 8);
  EXPECT_EQ(ended.output_error, ENOSPC);
}

TEST(SuperviseTerminal, LeavesTheCallersDescriptorsBlocking) {
  rig::Pty caller = rig::open_pty();
  rig::Pipe output = rig::make_pipe();
  Foreground run(Setting{.init =
                             [](const Init& init) {
                               rig::set_raw(init.terminal);
                               (void)rig::write_bytes(init.terminal, "x");
                               return rig::read_bytes(init.terminal, 1) == "y" ? 0 : 1;
                             },
                         .terminal = true,
                         .input = caller.slave.get(),
                         .output = output.writer.get()});
  run.await_start();
  EXPECT_EQ(rig::read_bytes(output.reader.get(), 1), "x");
  EXPECT_EQ(fcntl(caller.slave.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(fcntl(output.writer.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_TRUE(rig::write_bytes(caller.master.get(), "y"));
  EXPECT_EQ(run.finish().wait_status, 0);
}

TEST(SuperviseTerminal, RelaysThroughSockets) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  UniqueFd near(ends[0]), far(ends[1]);
  Foreground run(Setting{.init =
                             [](const Init& init) {
                               rig::set_raw(init.terminal);
                               (void)rig::write_bytes(init.terminal, "x");
                               return rig::read_bytes(init.terminal, 1) == "y" ? 0 : 1;
                             },
                         .terminal = true,
                         .input = far.get(),
                         .output = far.get()});
  run.await_start();
  EXPECT_EQ(rig::read_bytes(near.get(), 1), "x");
  EXPECT_TRUE(rig::write_bytes(near.get(), "y"));
  EXPECT_EQ(run.finish().wait_status, 0);
}

TEST(SuperviseTerminal, HearsAWorkloadThatClosesItsTerminalAndOpensItAgain) {
  rig::Pipe output = rig::make_pipe();
  Foreground run(Setting{.init =
                             [](const Init& init) {
                               std::string name = ttyname(init.terminal);
                               (void)close(init.terminal);
                               (void)poll(nullptr, 0, 20);
                               UniqueFd again(open(name.c_str(), O_RDWR | O_NOCTTY));
                               return rig::write_bytes(again.get(), "back") ? 0 : 1;
                             },
                         .terminal = true,
                         .output = output.writer.get()});
  run.await_start();
  EXPECT_EQ(rig::read_bytes(output.reader.get(), 4), "back");
  EXPECT_EQ(run.finish().wait_status, 0);
}

// Processes that the init leaves behind, without a pid namespace that would end them, and a reader that is slower.
TEST(SuperviseTerminal, StopsDrainingWhenSomebodyKeepsWriting) {
  rig::Pipe output = rig::make_pipe();
  Foreground run(Setting{.init =
                             [](const Init& init) {
                               rig::set_raw(init.terminal);
                               for (int i = 0; i < 4; i++) {
                                 if (fork() == 0) break;
                                 if (i < 3) continue;
                                 (void)poll(nullptr, 0, 100);  // until everything on the way is full
                                 return 9;
                               }
                               uint64_t none = 0;  // the end of the supervisor hangs the terminal up, which ends this
                               (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof none);
                               const std::string flood = rig::pattern(4096);
                               while (rig::write_bytes(init.terminal, flood)) {
                               }
                               _exit(0);
                             },
                         .terminal = true,
                         .output = output.writer.get(),
                         .before = [&] { output.reader.reset(); }});
  output.writer.reset();
  run.await_start();
  auto begin = std::chrono::steady_clock::now();
  auto elapsed = [&] { return std::chrono::steady_clock::now() - begin; };
  while (!run.has_word() && elapsed() < std::chrono::seconds(10)) {
    (void)poll(nullptr, 0, 5);
    (void)rig::read_bytes(output.reader.get(), 4096);
  }
  EXPECT_GE(elapsed(), std::chrono::milliseconds(Relay::kDrainMs)) << "nothing was there to be cut short";
  ASSERT_TRUE(run.has_word());
  EXPECT_EQ(run.finish().wait_status, 9 << 8);
}

TEST(SuperviseTerminal, GivesUpAReaderThatStoppedReading) {
  rig::Pipe output = rig::make_pipe();
  ASSERT_EQ(fcntl(output.writer.get(), F_SETFL, O_NONBLOCK), 0);
  while (write(output.writer.get(), "x", 1) == 1) {
  }
  ASSERT_EQ(fcntl(output.writer.get(), F_SETFL, 0), 0);
  Foreground run(Setting{.init = [](const Init& init) { return rig::write_bytes(init.terminal, "unread") ? 9 : 1; },
                         .terminal = true,
                         .output = output.writer.get()});
  run.await_start();
  ASSERT_TRUE(run.has_word(10000));
  EXPECT_EQ(run.finish().wait_status, 9 << 8);
}

winsize size_of(unsigned short rows, unsigned short columns) {
  return winsize{rows, columns, 0, 0};
}

TEST(SuperviseTerminal, FollowsTheWindow) {
  rig::Pty caller = rig::open_pty();
  winsize size = size_of(33, 101);
  ASSERT_EQ(ioctl(caller.master.get(), TIOCSWINSZ, &size), 0);
  Foreground run(Setting{.init =
                             [](const Init& init) {
                               init.take_terminal();
                               sigset_t mask;
                               (void)sigemptyset(&mask);
                               (void)sigaddset(&mask, SIGWINCH);
                               winsize now{};
                               // Set as soon as minirun has the terminal, which may be before or after this looks.
                               constexpr timespec kAWhile{0, 5'000'000};
                               while (ioctl(init.terminal, TIOCGWINSZ, &now) == 0 && now.ws_row != 33)
                                 (void)sigtimedwait(&mask, nullptr, &kAWhile);
                               init.record(&now, sizeof now);
                               // Changed only after that: the kernel must report it.
                               int number = 0;
                               while (ioctl(init.terminal, TIOCGWINSZ, &now) == 0 && now.ws_row == 33)
                                 (void)sigwait(&mask, &number);
                               init.record(&now, sizeof now);
                               return 0;
                             },
                         .terminal = true,
                         .input = caller.slave.get(),
                         .output = caller.slave.get(),
                         .before =
                             [] {
                               (void)setsid();
                               (void)ioctl(0, TIOCSCTTY, 0);
                             }});
  run.await_start();
  winsize seen{};
  ASSERT_TRUE(run.record(&seen));
  EXPECT_EQ(seen.ws_row, 33);
  EXPECT_EQ(seen.ws_col, 101);
  size = size_of(41, 123);
  ASSERT_EQ(ioctl(caller.master.get(), TIOCSWINSZ, &size), 0);
  ASSERT_TRUE(run.record(&seen));
  EXPECT_EQ(seen.ws_row, 41);
  EXPECT_EQ(seen.ws_col, 123);
  Ended ended = run.finish();
  EXPECT_EQ(ended.wait_status, 0);
  EXPECT_EQ(ended.last_forwarded_signal, 0);
}

TEST(SuperviseTerminal, LeavesTheTerminalToTheShellWhileInTheBackground) {
  rig::Pty caller = rig::open_pty();
  rig::Pipe foreground = rig::make_pipe();
  Foreground run(Setting{.init =
                             [](const Init& init) {
                               rig::set_raw(init.terminal);
                               return rig::read_bytes(init.terminal, 1) == "y" ? 0 : 1;
                             },
                         .terminal = true,
                         .input = caller.slave.get(),
                         .output = caller.slave.get(),
                         .before =
                             [&] {
                               (void)setsid();
                               (void)ioctl(0, TIOCSCTTY, 0);
                               (void)signal(SIGTTOU, SIG_IGN);
                               if (fork() != 0) {
                                 while (tcgetpgrp(0) == getpgrp()) (void)poll(nullptr, 0, 1);
                                 return;
                               }
                               pid_t supervisor = getppid();
                               (void)setpgid(0, 0);
                               (void)tcsetpgrp(0, getpid());
                               (void)rig::read_bytes(foreground.reader.get(), 1);
                               (void)tcsetpgrp(0, supervisor);
                               _exit(0);
                             }});
  run.await_start();
  EXPECT_FALSE(rig::is_raw(caller.master.get()));
  EXPECT_TRUE(rig::write_bytes(foreground.writer.get(), "x"));
  EXPECT_TRUE(rig::eventually([&] { return rig::is_raw(caller.master.get()); }));
  EXPECT_TRUE(rig::write_bytes(caller.master.get(), "y"));
  EXPECT_EQ(run.finish().wait_status, 0);
}

TEST(SuperviseTerminal, SetsRawModeAgainWhenContinued) {
  rig::Pty caller = rig::open_pty();
  termios saved{};
  ASSERT_EQ(tcgetattr(caller.slave.get(), &saved), 0);
  Foreground run(Setting{.init =
                             [](const Init& init) {
                               sigset_t mask;
                               (void)sigemptyset(&mask);
                               (void)sigaddset(&mask, SIGCONT);
                               int number = 0;
                               (void)sigwait(&mask, &number);
                               init.record(&number, sizeof number);
                               return rig::read_bytes(init.terminal, 1) == "y" ? 0 : 1;
                             },
                         .terminal = true,
                         .input = caller.slave.get(),
                         .output = caller.slave.get()});
  run.await_start();
  ASSERT_EQ(kill(run.pid(), SIGSTOP), 0);
  ASSERT_EQ(tcsetattr(caller.slave.get(), TCSANOW, &saved), 0);  // as a shell does
  ASSERT_EQ(kill(run.pid(), SIGCONT), 0);
  int number = 0;
  ASSERT_TRUE(run.record(&number));
  EXPECT_EQ(number, SIGCONT);
  EXPECT_TRUE(rig::is_raw(caller.slave.get()));
  EXPECT_TRUE(rig::write_bytes(caller.master.get(), "y\r"));
  EXPECT_EQ(run.finish().wait_status, 0);
  EXPECT_FALSE(rig::is_raw(caller.slave.get()));
}

}  // namespace
}  // namespace minirun
