// SPDX-License-Identifier: Apache-2.0
#include "sys/process_stat.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace minirun {
namespace {

// For a child with a hostile name that ends with status 3 and stays a zombie meanwhile.
class Zombie {
 public:
  Zombie() : pid_(fork()) {
    if (pid_ == 0) {
      (void)prctl(PR_SET_NAME, "a) Z 1 2\nSigBlk");
      _exit(3);
    }
    siginfo_t info{};
    EXPECT_EQ(waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT), 0);
  }
  Zombie(const Zombie&) = delete;
  Zombie& operator=(const Zombie&) = delete;
  ~Zombie() { reap(); }
  void reap() { (void)waitpid(std::exchange(pid_, 0), nullptr, WNOHANG); }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST(ProcessStat, FieldsAreFoundBehindAnyName) {
  Zombie zombie;
  auto stat = read_stat(zombie.pid());
  ASSERT_TRUE(stat.ok()) << stat.error().text();
  EXPECT_EQ(stat_field(*stat, kStatParent), static_cast<uint64_t>(getpid()));
  EXPECT_EQ(stat_field(*stat, kStatExitCode), 3U << 8);
  EXPECT_FALSE(stat_field(*stat, 200));
  EXPECT_FALSE(stat_field("no line of stat", kStatParent));
}

TEST(ProcessStatus, FieldsAreTheKernelsAlone) {
  Zombie zombie;
  auto status = read_status(zombie.pid());
  ASSERT_TRUE(status.ok()) << status.error().text();
  EXPECT_EQ(status_field(*status, "State"), "Z (zombie)");
  EXPECT_EQ(status_field(*status, "PPid"), std::to_string(getpid()));
  EXPECT_EQ(status_field(*status, "SigBlk"), "0000000000000000") << *status;
  EXPECT_FALSE(status_field(*status, "Sig"));
  EXPECT_FALSE(status_field(*status, "igBlk"));
}

TEST(ProcessStatus, FieldsAreWithoutBlanks) {
  const std::string text = "Name:\tx\nNSpid:\t7\t1\nEmpty:\t\nLast: y z ";
  EXPECT_EQ(status_field(text, "Name"), "x");
  EXPECT_EQ(status_field(text, "NSpid"), "7\t1");
  EXPECT_EQ(status_field(text, "Empty"), "");
  EXPECT_EQ(status_field(text, "Last"), "y z");
  EXPECT_FALSE(status_field("", "Name"));
}

TEST(ProcessStatus, OfAProcessThatIsGoneIsAnError) {
  Zombie zombie;
  pid_t pid = zombie.pid();
  zombie.reap();
  for (int code : {read_stat(pid).error().code, read_status(pid).error().code})
    EXPECT_TRUE(code == ENOENT || code == ESRCH);
}

}  // namespace
}  // namespace minirun
