// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/supervisor.h"

#include <sys/resource.h>
#include <sys/signalfd.h>

#include <vector>

#include "tests/unit/supervise/foreground_rig.h"

namespace minirun {
namespace {

using rig::Foreground;
using rig::Init;
using rig::Setting;

struct Record {
  int number;
  int code;
  uint64_t value;
};

constexpr int kLast = 64;  // SIGRTMAX: ends record_signals()

// Reports every signal that arrives to the test, until the last kind.
int record_signals(const Init& init) {
  for (;;) {
    uint64_t all = ~0ULL;
    siginfo_t info{};
    long number = syscall(SYS_rt_sigtimedwait, &all, &info, nullptr, sizeof all);
    if (number < 0) continue;
    Record record{static_cast<int>(number), info.si_code, reinterpret_cast<uint64_t>(info.si_value.sival_ptr)};
    init.record(&record, sizeof record);
    if (number == kLast) return 5;
  }
}

void send(pid_t pid, int number) {
  EXPECT_EQ(syscall(SYS_kill, pid, number), 0) << number;
}

// What criu has restored has no socket to minirun.
TEST(Supervise, AProcessThatSaysNothingIsWaitedFor) {
  pid_t parent = fork();
  if (parent == 0) {
    auto supervisor = Supervisor::begin();
    pid_t pid = fork();
    if (pid == 0) _exit(7);
    UniqueFd pidfd = rig::pidfd_of(pid);
    auto ended = supervisor.ok() ? supervisor->run(pid, pidfd.get(), -1) : Result<Ended>(supervisor.error());
    _exit(ended.ok() && ended->wait_status == 7 << 8 ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(waitpid(parent, &status, 0), parent);
  EXPECT_EQ(status, 0);
}

// A tracer of the init can make it send anything forever.
TEST(Supervise, SignalsAreHandedOnThoughTheInitSendsWithoutEnd) {
  Foreground run(Setting{.init = [](const Init& init) {
    pid_t self = getpid(), flood = fork();
    if (flood == 0) {
      (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
      while (getppid() == self) init.send(Message::running);  // it may have ended before that
      _exit(0);
    }
    return record_signals(init);
  }});
  run.await_start();
  send(run.pid(), SIGUSR1);
  Record record{};
  ASSERT_TRUE(run.record(&record)) << "the signal did not arrive";
  EXPECT_EQ(record.number, SIGUSR1);
  send(run.pid(), kLast);
  EXPECT_TRUE(run.record(&record));
  EXPECT_EQ(run.finish().wait_status, 5 << 8);
}

TEST(Supervise, HandsEverySignalOnExactlyOnce) {
  Foreground run(Setting{.init = record_signals});
  run.await_start();
  for (int number = 1; number <= kLast; number++) {
    if (number == SIGKILL || number == SIGSTOP || number == SIGCHLD) continue;
    send(run.pid(), number);
    Record record{};
    ASSERT_TRUE(run.record(&record)) << "signal " << number << " did not arrive";
    EXPECT_EQ(record.number, number);
    EXPECT_EQ(record.code, SI_USER);
  }
  Record more{};
  EXPECT_FALSE(run.record(&more)) << "signal " << more.number << " arrived twice";
  Ended ended = run.finish();
  EXPECT_EQ(ended.wait_status, 5 << 8);
  EXPECT_FALSE(ended.from_init);
  EXPECT_EQ(ended.last_forwarded_signal, kLast);
}

void expect_burst(Foreground& run, int count) {
  constexpr int kNumber = 40;
  send(run.pid(), SIGSTOP);  // so that they pile up
  for (int i = 0; i < count; i++) {
    sigval value{};
    value.sival_int = i;
    ASSERT_EQ(sigqueue(run.pid(), kNumber, value), 0) << "see ulimit -i";
  }
  send(run.pid(), SIGCONT);
  Record record{};
  ASSERT_TRUE(run.record(&record));
  EXPECT_EQ(record.number, SIGCONT);
  for (int i = 0; i < count; i++) {
    ASSERT_TRUE(run.record(&record)) << i;
    ASSERT_EQ(record.number, kNumber);
    ASSERT_EQ(record.code, SI_QUEUE);
    ASSERT_EQ(record.value, static_cast<uint64_t>(i));
  }
  send(run.pid(), kLast);
  ASSERT_TRUE(run.record(&record));
  EXPECT_EQ(record.number, kLast);
}

TEST(Supervise, KeepsTwoThousandQueuedSignalsWithTheirValues) {
  Foreground run(Setting{.init = record_signals});
  run.await_start();
  expect_burst(run, 2000);
}

TEST(Supervise, WaitsForAReceiverWhoseSignalQueueIsFull) {
  Foreground run(Setting{.init = [](const Init& init) {
    rlimit limit{64, 64};
    (void)setrlimit(RLIMIT_SIGPENDING, &limit);
    return record_signals(init);
  }});
  run.await_start();
  expect_burst(run, 1000);
}

TEST(Supervise, DoesNotDependOnWhatTheCallerIgnoredOrBlocked) {
  Foreground run(Setting{.init = record_signals, .before = [] {
                           for (int number : {SIGCHLD, SIGINT, SIGTERM, SIGPIPE}) (void)signal(number, SIG_IGN);
                           sigset_t mask;
                           (void)sigemptyset(&mask);
                           (void)sigaddset(&mask, SIGTERM);
                           (void)sigprocmask(SIG_SETMASK, &mask, nullptr);
                         }});
  run.await_start();
  for (int number : {SIGINT, SIGTERM, SIGPIPE, kLast}) {
    send(run.pid(), number);
    Record record{};
    ASSERT_TRUE(run.record(&record));
    EXPECT_EQ(record.number, number);
  }
  EXPECT_EQ(run.finish().wait_status, 5 << 8);
}

TEST(Supervise, ForwardsTerminalStopSignalsWithoutStopping) {
  Foreground run(Setting{.init = record_signals});
  run.await_start();
  for (int number : {SIGTSTP, SIGTTIN, SIGTTOU, kLast}) {
    send(run.pid(), number);
    Record record{};
    ASSERT_TRUE(run.record(&record));
    EXPECT_EQ(record.number, number);
  }
  EXPECT_EQ(run.finish().wait_status, 5 << 8);
}

TEST(Supervise, TellsTheSignalThatKilledAnInit) {
  Foreground run(Setting{.init = [](const Init&) {
    (void)raise(SIGKILL);
    return 0;
  }});
  run.await_start();
  EXPECT_EQ(run.finish().wait_status, SIGKILL);
}

TEST(Supervise, PrefersTheWaitStatusThatTheInitTells) {
  Foreground run(Setting{.init = [](const Init& init) {
    init.send(Message::exited, SIGSEGV | 0x80);
    return 128 + SIGSEGV;
  }});
  run.await_start();
  Ended ended = run.finish();
  EXPECT_TRUE(ended.from_init);
  EXPECT_EQ(ended.wait_status, SIGSEGV | 0x80);
}

TEST(Supervise, ReturnsWhileAFailedInitWaitsForTheHangUp) {
  Foreground run(Setting{.init = [](const Init& init) {
    init.send(Message::failed);
    char byte;
    (void)!recv(init.control, &byte, 1, 0);
    return 127;
  }});
  run.await_start();
  EXPECT_TRUE(run.finish().init_failed);
}

}  // namespace
}  // namespace minirun
