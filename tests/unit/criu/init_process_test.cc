// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/init_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace minirun {
namespace {

// A process that closes all it has after some milliseconds; what saved_init() says of it.
std::string said_of_one_that_closes_after(int milliseconds) {
  pid_t pid = fork();
  if (pid == 0) {
    (void)usleep(static_cast<useconds_t>(milliseconds) * 1000);
    (void)close_range(0, ~0U, 0);
    for (;;) (void)pause();
  }
  auto saved = saved_init(pid, -1);
  (void)kill(pid, SIGKILL);
  (void)waitpid(pid, nullptr, 0);
  return saved.ok() ? "" : saved.error().text();
}

TEST(SavedInit, IsAskedAgainUntilItHasClosedItsSocket) {
  EXPECT_EQ(said_of_one_that_closes_after(100).find("has a socket"), std::string::npos);
}

TEST(SavedInit, ThatKeepsASocketIsRefused) {
  EXPECT_NE(said_of_one_that_closes_after(60000).find("has a socket"), std::string::npos);
}

}  // namespace
}  // namespace minirun
