// SPDX-License-Identifier: Apache-2.0
// Which process minirun takes for the one that a plan's birth has cloned: the memory that says so is open to a tracer.
#include "namespaces/spawn.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "sys/pidfd.h"

namespace minirun {
namespace {

// A child that waits to be killed.
class Waiting {
 public:
  Waiting() : pid(fork()) {
    while (pid == 0) (void)pause();
  }
  ~Waiting() {
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, nullptr, 0);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  const pid_t pid;
};

TEST(Born, IsNoneOfTheOlderChildren) {
  Waiting watchdog;
  auto siblings = own_children();
  ASSERT_TRUE(siblings.ok()) << siblings.error().text();
  EXPECT_NE(std::find(siblings->begin(), siblings->end(), watchdog.pid), siblings->end());
  Waiting outer, born;
  auto memory = PlanMemory::create(serialize(PlanBuilder().finish(), {}, -1));
  ASSERT_TRUE(memory.ok()) << memory.error().text();
  PlanHeader* header = memory->header();
  Child child{outer.pid, {}, {}, std::move(*memory), true, true, *siblings};
  for (pid_t other : {0, -1, getpid(), outer.pid, watchdog.pid}) {
    header->birth.child = other;
    auto there = take_place(&child);
    ASSERT_TRUE(there.ok()) << there.error().text();
    EXPECT_FALSE(*there) << other;
    EXPECT_EQ(child.pid, outer.pid);
  }
  header->birth.child = born.pid;
  auto there = take_place(&child);
  ASSERT_TRUE(there.ok()) << there.error().text();
  EXPECT_TRUE(*there);
  EXPECT_EQ(child.pid, born.pid);
}

}  // namespace
}  // namespace minirun
