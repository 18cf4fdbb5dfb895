// SPDX-License-Identifier: Apache-2.0
#include "sys/pidfd.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

namespace minirun {
namespace {

using namespace std::chrono_literals;

// Killed and waited for in the end.
class Sleeper {
 public:
  Sleeper() : pid_(fork()) {
    if (pid_ == 0)
      for (;;) pause();
    pidfd_ = UniqueFd(std::move(open_pidfd(pid_).value()));
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  ~Sleeper() {
    (void)send_signal(pidfd(), SIGKILL);
    (void)reap();
  }
  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  int reap() {
    int status = -1;
    if (pid_ > 0) (void)waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
  UniqueFd pidfd_;
};

TEST(SendSignal, ReachesAProcessUntilItIsReaped) {
  Sleeper sleeper;
  EXPECT_TRUE(*send_signal(sleeper.pidfd(), 0)) << "it lives";
  EXPECT_TRUE(*send_signal(sleeper.pidfd(), SIGTERM));
  ASSERT_TRUE(*await_end(sleeper.pidfd(), std::chrono::steady_clock::now() + 10s));
  EXPECT_TRUE(*send_signal(sleeper.pidfd(), SIGTERM)) << "a zombie";
  int status = sleeper.reap();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  auto gone = send_signal(sleeper.pidfd(), SIGTERM);
  ASSERT_TRUE(gone.ok()) << gone.error().text();
  EXPECT_FALSE(*gone);
}

TEST(SendSignal, HandsOnTheValueOfAQueuedOne) {
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  ASSERT_EQ(sigprocmask(SIG_BLOCK, &set, &before), 0);
  auto self = open_pidfd(getpid());
  ASSERT_TRUE(self.ok()) << self.error().text();
  siginfo_t info;
  std::memset(&info, 0, sizeof info);
  info.si_signo = SIGUSR1;
  info.si_code = SI_QUEUE;
  info.si_value.sival_int = 42;
  EXPECT_TRUE(*send_signal(self->get(), SIGUSR1, &info));
  siginfo_t got;
  const timespec limit{10, 0};
  EXPECT_EQ(sigtimedwait(&set, &got, &limit), SIGUSR1);
  EXPECT_EQ(got.si_code, SI_QUEUE);
  EXPECT_EQ(got.si_value.sival_int, 42);
  ASSERT_EQ(sigprocmask(SIG_SETMASK, &before, nullptr), 0);
}

TEST(SendSignal, ToNoProcessOrOfNoSignalIsAnError) {
  EXPECT_EQ(send_signal(-1, SIGTERM).error().text(), "send signal 15: bad file descriptor");
  Sleeper sleeper;
  EXPECT_EQ(send_signal(sleeper.pidfd(), 65).error().text(), "send signal 65: invalid argument");
}

TEST(AwaitEnd, WaitsNoLongerThanToTheDeadline) {
  Sleeper sleeper;
  auto begun = std::chrono::steady_clock::now();
  EXPECT_FALSE(*await_end(sleeper.pidfd(), begun + 50ms));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 50ms);
  EXPECT_FALSE(*has_ended(sleeper.pidfd()));
}

TEST(OwnChildren, AreFoundWithAndWithoutTheKernelsList) {
  auto before = own_children();
  ASSERT_TRUE(before.ok()) << before.error().text();
  Sleeper sleeper, ended;
  ASSERT_TRUE(*send_signal(ended.pidfd(), SIGKILL));  // it waits to be reaped
  ASSERT_TRUE(*await_end(ended.pidfd(), std::chrono::steady_clock::now() + 10s));
  for (const char* list : {"/proc/thread-self/children", "/proc/no-such-list"}) {
    auto now = own_children(list);
    ASSERT_TRUE(now.ok()) << now.error().text();
    std::erase_if(*now, [&](pid_t pid) { return std::find(before->begin(), before->end(), pid) != before->end(); });
    std::sort(now->begin(), now->end());
    EXPECT_EQ(*now, (std::vector<pid_t>{std::min(sleeper.pid(), ended.pid()), std::max(sleeper.pid(), ended.pid())}))
        << list;
  }
  EXPECT_FALSE(own_children("/proc/self/comm").ok()) << "words are no children";
}

}  // namespace
}  // namespace minirun
