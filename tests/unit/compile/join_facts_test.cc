// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/join_facts.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "runtime/container/pid_namespace.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

// The pidfd of a process that was reaped: its number may be another's since.
UniqueFd ended_process() {
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  auto pidfd = open_pidfd(pid);
  EXPECT_TRUE(pidfd.ok()) << pidfd.error().text();
  EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
  return std::move(pidfd).value();
}

// A process of the host stands for the one that has the pid now.
TEST(ExecFacts, NumberOfAProcessThatHasEndedIsNotBelieved) {
  UniqueFd ended = ended_process();
  const oci::Spec spec;
  auto facts = exec_facts(getpid(), ended.get(), spec);
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().text(), "container not running");
  UniqueFd own = std::move(open_pidfd(getpid())).value();
  facts = exec_facts(getpid(), own.get(), spec);
  ASSERT_TRUE(facts.ok()) << facts.error().text();
  EXPECT_EQ(facts->namespaces, 0u);
  EXPECT_TRUE(facts->root) << "it has no mounts of its own, by its config";
}

TEST(PidNamespace, NumberOfAnInitThatHasEndedIsNotBelieved) {
  UniqueFd ended = ended_process();
  auto members = pid_namespace_members(getpid(), ended.get());
  ASSERT_FALSE(members.ok());
  EXPECT_EQ(members.error().code, ENOENT);
  UniqueFd own = std::move(open_pidfd(getpid())).value();
  members = pid_namespace_members(getpid(), own.get());
  ASSERT_TRUE(members.ok()) << members.error().text();
  EXPECT_GE(members->size(), 1u);
}

}  // namespace
}  // namespace minirun
