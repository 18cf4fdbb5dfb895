// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>

#include "tests/unit/cgroups/cgroup_root.h"

namespace minirun {
namespace {

class CgroupRemove : public CgroupRoot {};

TEST_F(CgroupRemove, MakesMissingAncestorsAndRemovesOnlyThose) {
  std::string kept = base_ + "/kept";
  ASSERT_EQ(mkdirat(root(), kept.c_str() + 1, 0755), 0);
  auto cgroup = Cgroup::create(hierarchy_, kept + "/a/b", {});
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text();
  EXPECT_EQ(cgroup->record().made, 2U);
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  EXPECT_FALSE(exists(kept + "/a"));
  EXPECT_TRUE(exists(kept));
  EXPECT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());  // again is no error
  unlinkat(root(), kept.c_str() + 1, AT_REMOVEDIR);
}

TEST_F(CgroupRemove, SharedParentStaysWhileOthersUseIt) {
  auto first = Cgroup::create(hierarchy_, base_ + "/shared/1", {});
  auto second = Cgroup::create(hierarchy_, base_ + "/shared/2", {});
  ASSERT_TRUE(first->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  EXPECT_TRUE(exists(base_ + "/shared/2"));
  ASSERT_TRUE(second->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  unlinkat(root(), (base_ + "/shared").c_str() + 1, AT_REMOVEDIR);
}

TEST_F(CgroupRemove, TakesAnEmptyCgroupAndLeavesItThere) {
  std::string path = base_ + "/mine";
  ASSERT_EQ(mkdirat(root(), path.c_str() + 1, 0755), 0);
  auto cgroup = Cgroup::create(hierarchy_, path, {});
  ASSERT_TRUE(cgroup.ok());
  EXPECT_EQ(cgroup->record().made, 0U);
  spawn_sleeper(cgroup->fd());
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  EXPECT_TRUE(exists(path));
  unlinkat(root(), path.c_str() + 1, AT_REMOVEDIR);
}

TEST_F(CgroupRemove, KillReachesNestedAndFrozenProcesses) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  ASSERT_EQ(mkdirat(cgroup->fd(), "x", 0755), 0);
  ASSERT_EQ(mkdirat(cgroup->fd(), "x/y", 0755), 0);
  ASSERT_EQ(mkdirat(cgroup->fd(), "z", 0755), 0);
  auto nested = open_at(cgroup->fd(), "x/y", O_RDONLY | O_DIRECTORY);
  pid_t outer = spawn_sleeper(cgroup->fd());
  pid_t inner = spawn_sleeper(nested->get());
  ASSERT_TRUE(write_control(cgroup->fd(), "cgroup.freeze", "1").ok());
  auto start = steady_clock::now();
  auto removed = cgroup->remove(Cgroup::Processes::kill, in(seconds(5)));
  ASSERT_TRUE(removed.ok()) << removed.error().text();
  EXPECT_LT(steady_clock::now() - start, seconds(1));
  EXPECT_FALSE(exists(base_ + "/a"));
  EXPECT_EQ(wait_for(outer), SIGKILL);
  EXPECT_EQ(wait_for(inner), SIGKILL);
}

TEST_F(CgroupRemove, RemoveWaitsForProcessesWithoutKilling) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  pid_t child = spawn(cgroup->fd(), [] {
    usleep(50000);
    return 7;
  });
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::wait, in(seconds(5))).ok());
  EXPECT_EQ(wait_for(child), 7 << 8);
}

TEST_F(CgroupRemove, RemoveNamesWhoIsStillInsideAtTheDeadline) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  ASSERT_EQ(mkdirat(cgroup->fd(), "x", 0755), 0);
  auto nested = open_at(cgroup->fd(), "x", O_RDONLY | O_DIRECTORY);
  pid_t sleeper = spawn_sleeper(nested->get());
  auto start = steady_clock::now();
  auto removed = cgroup->remove(Cgroup::Processes::wait, in(milliseconds(100)));
  EXPECT_LT(steady_clock::now() - start, milliseconds(500));
  ASSERT_FALSE(removed.ok());
  EXPECT_EQ(removed.error().code, EBUSY);
  EXPECT_NE(removed.error().message.find("still in use by pid " + std::to_string(sleeper) + " ("), std::string::npos)
      << removed.error().text();
  EXPECT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupRemove, DeepAndWideTreesOfTheContainerGoToo) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  auto here = open_at(cgroup->fd(), ".", O_PATH | O_DIRECTORY);
  for (int depth = 0; depth < 300; ++depth) {
    ASSERT_EQ(mkdirat(here->get(), "d", 0755), 0);
    ASSERT_EQ(mkdirat(here->get(), "e", 0755), 0);
    here = open_at(here->get(), "d", O_PATH | O_DIRECTORY);
  }
  auto removed = cgroup->remove(Cgroup::Processes::kill, in(seconds(20)));
  ASSERT_TRUE(removed.ok()) << removed.error().text();
  EXPECT_FALSE(exists(base_ + "/a"));
}

TEST_F(CgroupRemove, RecordFindsTheSameCgroupAndNoOther) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  CgroupRecord record = cgroup->record();
  EXPECT_TRUE(Cgroup::open(hierarchy_, record).ok());
  ASSERT_EQ(unlinkat(root(), record.path.c_str() + 1, AT_REMOVEDIR), 0);
  EXPECT_EQ(Cgroup::open(hierarchy_, record).error().code, ENOENT);
  auto other = Cgroup::create(hierarchy_, base_ + "/a", {});
  pid_t bystander = spawn_sleeper(other->fd());
  EXPECT_EQ(Cgroup::open(hierarchy_, record).error().code, ESTALE);
  EXPECT_TRUE(cgroup->kill().ok());  // its own is gone
  EXPECT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  EXPECT_TRUE(exists(base_ + "/a"));
  EXPECT_EQ(waitpid(bystander, nullptr, WNOHANG), 0) << "a bystander was killed";
  ASSERT_TRUE(other->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupRemove, UnknownCgroupIsNeverKilled) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  pid_t bystander = spawn_sleeper(cgroup->fd());
  auto unknown = Cgroup::open(hierarchy_, {.path = base_ + "/a"});
  ASSERT_TRUE(unknown.ok());
  EXPECT_EQ(unknown->kill().error().code, EPERM);
  EXPECT_EQ(unknown->remove(Cgroup::Processes::kill, in(seconds(5))).error().code, EPERM);
  EXPECT_EQ(waitpid(bystander, nullptr, WNOHANG), 0) << "a bystander was killed";
  ::kill(bystander, SIGKILL);
  wait_for(bystander);
  EXPECT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

// minirun was killed after it had made the cgroup and before it could write down which one.
TEST_F(CgroupRemove, WhatCameAfterTheSurveyIsTheContainers) {
  auto intent = Cgroup::survey(hierarchy_, base_ + "/p/a");
  ASSERT_TRUE(intent.ok()) << intent.error().text();
  EXPECT_EQ(intent->made, 2u);
  EXPECT_EQ(Cgroup::open(hierarchy_, *intent).error().code, ENOENT) << "killed before";
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/p/a", {});
  pid_t child = spawn_sleeper(cgroup->fd());
  auto found = Cgroup::open(hierarchy_, *intent);
  ASSERT_TRUE(found.ok());
  EXPECT_TRUE(found->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  wait_for(child);
  EXPECT_FALSE(exists(base_ + "/p"));
}

TEST_F(CgroupRemove, SurveyKnowsACgroupThatIsThere) {
  auto there = Cgroup::create(hierarchy_, base_ + "/a", {});
  auto intent = Cgroup::survey(hierarchy_, base_ + "/a");
  EXPECT_EQ(intent->inode, there->record().inode);
  EXPECT_EQ(intent->made, 0u) << "not minirun's to remove";
  EXPECT_TRUE(there->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupRemove, SharedParentThatVanishesMeanwhileIsMadeAgain) {
  std::string parent = base_ + "/shared";
  pid_t remover = fork();
  while (remover == 0) {
    unlinkat(root(), parent.c_str() + 1, AT_REMOVEDIR);
    usleep(20);  // without it the two can take turns for ever
  }
  children_.push_back(remover);
  for (int round = 0; round < 300; ++round) {
    auto cgroup = Cgroup::create(hierarchy_, parent + "/a", {});
    ASSERT_TRUE(cgroup.ok()) << cgroup.error().text();
    ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  }
  ::kill(remover, SIGKILL);
  wait_for(remover);
  unlinkat(root(), parent.c_str() + 1, AT_REMOVEDIR);
}

TEST_F(CgroupRemove, WithoutADescriptorLeftIsAnErrorAndNoCrash) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text();
  pid_t child = spawn_sleeper(cgroup->fd());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  auto removed = cgroup->remove(Cgroup::Processes::kill, in(seconds(5)));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(removed.error().code, EMFILE) << removed.error().text();
  EXPECT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  EXPECT_EQ(wait_for(child), SIGKILL);
}

}  // namespace
}  // namespace minirun
