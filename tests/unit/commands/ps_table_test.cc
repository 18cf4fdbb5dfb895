// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/ps_table.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

TEST(SelectProcesses, KeepsTheHeaderAndTheLinesOfTheContainer) {
  std::string table =
      "UID     PID  PPID CMD\nroot      1     0 init\nroot     12     1 sh -c 7\n\nweb     112    12 x y\n";
  EXPECT_EQ(*select_processes(table, {12, 112}),
            "UID     PID  PPID CMD\nroot     12     1 sh -c 7\nweb     112    12 x y\n");
  EXPECT_EQ(*select_processes(table, {7}), "UID     PID  PPID CMD\n");
  EXPECT_EQ(*select_processes("  PID\n    7\n    8", {8}), "  PID\n    8\n");
}

TEST(SelectProcesses, WithoutAColumnPidNothingCanBeTold) {
  EXPECT_EQ(select_processes("USER PPID\nroot 1\n", {1}).error().text(),
            "ps(1) printed no column PID to select the processes by: \"USER PPID\"");
  EXPECT_FALSE(select_processes("", {1}).ok());
  EXPECT_EQ(select_processes("A PID\nx y\n", {1}).error().text(), "ps(1) printed no pid in the column PID of \"x y\"");
  EXPECT_EQ(select_processes("A PID\nx\n", {1}).error().text(), "ps(1) printed no pid in the column PID of \"x\"");
}

// With a ps(1) of our own in PATH.
class RunPs : public ::testing::Test {
 protected:
  void SetUp() override { old_ = getenv("PATH"); }
  void TearDown() override { setenv("PATH", old_.c_str(), 1); }
  void ps(const std::string& body) {
    directory_.write("ps", "#!/bin/sh\n" + body, 0755);
    setenv("PATH", (directory_.path() + ":" + old_).c_str(), 1);
  }

  TemporaryDirectory directory_;
  std::string old_;
};

TEST_F(RunPs, GivesItTheArgumentsAndAnOrdinarySignalMask) {
  // Read by the shell itself: dash blocks all signals for as long as it starts a program.
  ps("trap 'echo not ignored' USR1; echo \"$@\"\n"
     "while read -r name mask; do [ $name != SigBlk: ] || echo $mask; done < /proc/$$/status\n"
     "kill -USR1 $$; cat; echo unseen >&2\n");
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  auto old = signal(SIGUSR1, SIG_IGN);
  auto out = run_ps({"-o", "pid,cmd"});
  signal(SIGUSR1, old);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  ASSERT_TRUE(out.ok()) << out.error().text();
  EXPECT_EQ(*out, "-o pid,cmd\n0000000000000000\nnot ignored\n");
}

TEST_F(RunPs, SaysWhyItFailed) {
  ps("echo 'error: unknown option' >&2; exit 3\n");
  EXPECT_EQ(run_ps({"-Z9"}).error().text(), "ps(1) failed (exit status 3): error: unknown option");
  ps("kill -9 $$\n");
  EXPECT_EQ(run_ps({}).error().text(), "ps(1) failed (signal 9)");
  setenv("PATH", directory_.path("nothing").c_str(), 1);
  EXPECT_EQ(run_ps({}).error().text(), "ps(1) is not in PATH: no such file or directory");
}

TEST_F(RunPs, IsBounded) {
  ps("exec cat /dev/zero\n");
  EXPECT_EQ(run_ps({}).error().text(), "ps(1) prints more than 16777216 bytes: file too large");
}

}  // namespace
}  // namespace minirun
