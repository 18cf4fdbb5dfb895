// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "runtime/container/container.h"
#include "runtime/diagnosis/exit_status.h"
#include "sys/pidfd.h"
#include "tests/support/temporary_directory.h"

namespace minirun {

// Its parent may reap it at any time after that; a command that waits needs the descriptor from before.
TEST(Found, KeepsTheProcessThatHadEnded) {
  const TemporaryDirectory place;
  const UniqueFd root = open_state_root(place.path("state"), true).value();
  StateDirectory state = StateDirectory::claim(root.get(), "web1").value();
  const pid_t pid = fork();
  if (pid == 0) _exit(7);
  ASSERT_GT(pid, 0);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  UniqueFd pidfd = open_pidfd(pid).value();
  ContainerRecord record;
  record.id = "web1";
  record.boot_id = *current_boot_id();
  record.init = *ProcessIdentity::of(pid, pidfd.get());
  pidfd.reset();
  auto found = inspect(std::move(state), record);
  ASSERT_TRUE(found.ok()) << found.error().text();
  EXPECT_EQ(found->status, ContainerStatus::stopped);
  EXPECT_FALSE(found->init);
  ASSERT_TRUE(found->ended);
  ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
  auto status = exit_if_known(found->ended.get(), pid);
  if (!status) GTEST_SKIP() << "this kernel does not say the status of a process that was reaped (Linux 6.15)";
  EXPECT_EQ(shell_status(*status), 7);
  auto gone = inspect(std::move(found->state), record);
  ASSERT_TRUE(gone.ok()) << gone.error().text();
  EXPECT_FALSE(gone->ended);
}

}  // namespace minirun
