// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/cgroups/cgroup_root.h"

namespace minirun {
namespace {

class CgroupCreate : public CgroupRoot {};

TEST_F(CgroupCreate, ControllerOfCgroupV1IsTheReason) {
  auto states = parse_proc_cgroups(*read_file(AT_FDCWD, "/proc/cgroups"));
  auto memory = std::find_if(states.begin(), states.end(), [](auto& state) { return state.name == "memory"; });
  if (memory == states.end() || memory->hierarchy == 0) GTEST_SKIP() << "no memory controller on cgroup v1";
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {{"memory", "memory.limit"}});
  ASSERT_FALSE(cgroup.ok());
  EXPECT_EQ(cgroup.error().text(),
            fmt::format("memory.limit needs the memory controller, which is bound to cgroup v1 (hierarchy {}) on this "
                        "host",
                        memory->hierarchy));
  EXPECT_FALSE(exists(base_ + "/a"));
}

TEST_F(CgroupCreate, RefusesWhatIsMountedOverAPartOfTheTree) {
  std::string over = hierarchy_.mount_point + base_ + "/over";
  ASSERT_EQ(mkdir(over.c_str(), 0755), 0);
  int status = wait_for(in_own_mounts([&] {
    if (mount("none", over.c_str(), "tmpfs", 0, nullptr) < 0) return 1;
    auto here = find_hierarchy();  // the fixture's descriptor is one of the mounts outside
    auto cgroup = Cgroup::create(*here, base_ + "/over/a", {});
    if (cgroup.ok() || cgroup.error().code != EXDEV) return 2;
    return access((over + "/a").c_str(), F_OK) == 0 ? 3 : 0;  // made there, and so removed there
  }));
  EXPECT_EQ(status, 0);
  rmdir(over.c_str());
}

TEST_F(CgroupCreate, FindsTheHybridLayout) {
  int status = wait_for(in_own_mounts([] {
    if (mount("none", "/sys/fs/cgroup", "tmpfs", 0, nullptr) < 0) return 1;
    if (mkdir("/sys/fs/cgroup/unified", 0755) < 0) return 2;
    if (mount("none", "/sys/fs/cgroup/unified", "cgroup2", 0, nullptr) < 0) return 3;
    auto found = find_hierarchy();
    return found && found->hybrid && found->mount_point == "/sys/fs/cgroup/unified" ? 0 : 4;
  }));
  EXPECT_EQ(status, 0);
}

TEST_F(CgroupCreate, FindsAMountAtAnyOtherPlaceOrSaysThereIsNone) {
  int status = wait_for(in_own_mounts([] {
    if (mount("none", "/tmp", "tmpfs", 0, nullptr) < 0) return 1;
    if (mkdir("/tmp/my cgroups", 0755) < 0) return 2;
    if (mount("none", "/tmp/my cgroups", "cgroup2", 0, nullptr) < 0) return 3;
    while (umount2("/sys/fs/cgroup", MNT_DETACH) == 0) continue;  // of this process only
    auto found = find_hierarchy();
    if (!found || found->mount_point != "/tmp/my cgroups") return 4;
    if (mount("none", "/tmp/my cgroups", "tmpfs", 0, nullptr) < 0) return 5;
    found = find_hierarchy();  // still in mountinfo, but hidden
    return !found && found.error().code == ENOENT ? 0 : 6;
  }));
  EXPECT_EQ(status, 0);
}

TEST_F(CgroupCreate, RefusesPathsThatLeaveTheTree) {
  for (const char* path : {"", "a", "/", "//", "/a//b", "/a/", "/../a", "/a/..", "/a/./b", "/a\nb"}) {
    auto cgroup = Cgroup::create(hierarchy_, path, {});
    ASSERT_FALSE(cgroup.ok()) << path;
    EXPECT_EQ(cgroup.error().code, EINVAL) << path;
  }
}

TEST_F(CgroupCreate, RefusesACgroupInUseAndSaysByWhom) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/used", {});
  pid_t sleeper = spawn_sleeper(cgroup->fd());
  auto again = Cgroup::create(hierarchy_, base_ + "/used", {});
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, EEXIST);
  EXPECT_NE(again.error().message.find("pid " + std::to_string(sleeper)), std::string::npos) << again.error().text();
  EXPECT_EQ(::kill(sleeper, 0), 0);  // and leaves it alone
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupCreate, RefusesACgroupThatAnotherIsAboutToUse) {  // which would at its end kill all processes inside
  auto first = Cgroup::create(hierarchy_, base_ + "/both", {});
  ASSERT_TRUE(first.ok());
  auto second = Cgroup::create(hierarchy_, base_ + "/both", {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, EEXIST) << second.error().text();
  EXPECT_TRUE(exists(base_ + "/both"));
  EXPECT_TRUE(first->remove(Cgroup::Processes::wait, in(seconds(1))).ok());
}

TEST_F(CgroupCreate, RefusesACgroupThatHasChildrenOrIsFrozen) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/used", {});
  ASSERT_EQ(mkdirat(cgroup->fd(), "child", 0755), 0);
  EXPECT_EQ(Cgroup::create(hierarchy_, base_ + "/used", {}).error().text(),
            "cgroup " + base_ + "/used has child cgroups: file exists");
  unlinkat(cgroup->fd(), "child", AT_REMOVEDIR);
  ASSERT_TRUE(write_control(cgroup->fd(), "cgroup.freeze", "1").ok());
  EXPECT_EQ(Cgroup::create(hierarchy_, base_ + "/used", {}).error().text(),
            "cgroup " + base_ + "/used is frozen: file exists");
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupCreate, FailureLeavesNothing) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a/b/c", {{"nonsense", "unified.nonsense.max"}});
  ASSERT_FALSE(cgroup.ok());
  EXPECT_FALSE(exists(base_ + "/a"));
  auto deep = Cgroup::create(hierarchy_, base_ + "/a/cgroup.procs/x", {});
  EXPECT_FALSE(deep.ok());
  EXPECT_FALSE(exists(base_ + "/a"));
}

TEST_F(CgroupCreate, AncestorWithProcessesIsTheReason) {
  if (!offers("hugetlb")) GTEST_SKIP() << "no hugetlb controller in the root cgroup";
  auto parent = Cgroup::create(hierarchy_, base_ + "/parent", {});
  spawn_sleeper(parent->fd());
  auto child = Cgroup::create(hierarchy_, base_ + "/parent/child", {{"hugetlb", "hugepageLimits[0]"}});
  ASSERT_FALSE(child.ok());
  EXPECT_EQ(child.error().text(),
            "hugepageLimits[0] needs the hugetlb controller, which cannot be enabled below cgroup " + base_ +
                "/parent (it has processes of its own, and a cgroup with processes cannot pass controllers on): device "
                "or resource busy");
  EXPECT_FALSE(exists(base_ + "/parent/child"));
  ASSERT_TRUE(parent->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupCreate, WhatIsOfferedAndRefusedIsNoFailure) {
  if (!offers("hugetlb")) GTEST_SKIP() << "no hugetlb controller in the root cgroup";
  auto parent = Cgroup::create(hierarchy_, base_ + "/parent", {});
  spawn_sleeper(parent->fd());
  auto child = Cgroup::create(hierarchy_, base_ + "/parent/child", {});
  ASSERT_TRUE(child.ok()) << child.error().text();
  auto refused = child->enable_offered("");
  ASSERT_TRUE(refused.ok()) << refused.error().text();
  bool named = std::any_of(refused->begin(), refused->end(), [&](const std::string& line) {
    return line == "hugetlb in " + base_ +
                       "/parent: it has processes of its own, and a cgroup with processes cannot pass controllers on";
  });
  EXPECT_TRUE(named) << fmt::format("{}", fmt::join(*refused, "\n"));
  EXPECT_FALSE(lists_controller(*read_file(child->fd(), "cgroup.controllers"), "hugetlb"));
  // cpu and pids would be taken, at the price of this.
  EXPECT_EQ(*read_file(child->fd(), "cgroup.type"), "domain\n");
  EXPECT_GT(spawn_sleeper(child->fd()), 0);
  ASSERT_TRUE(child->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  ASSERT_TRUE(parent->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupCreate, ExplainsWhyNobodyCanBeBornInIt) {
  if (!offers("hugetlb")) GTEST_SKIP() << "no hugetlb controller in the root cgroup";
  auto child = Cgroup::create(hierarchy_, base_ + "/a/b", {{"hugetlb", "hugepageLimits[0]"}});
  auto parent = Cgroup::open(hierarchy_, {.path = base_ + "/a", .made = 1});
  EXPECT_EQ(spawn_sleeper(parent->fd()), -1);
  EXPECT_EQ(parent->explain_join(errno),
            "cgroup " + base_ + "/a passes controllers on to children (hugetlb), so it cannot have processes itself");
  EXPECT_EQ(parent->explain_join(ENOMEM), "");
  ASSERT_TRUE(child->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupCreate, RefusesPathsThatTheKernelCouldNotMake) {
  const std::string component(NAME_MAX + 1, 'a');
  std::string deep;
  while (deep.size() < PATH_MAX) deep += "/directory";
  for (const std::string& path : {"/" + component, deep, base_ + "/a\nb", base_ + std::string("/a\0b", 4)}) {
    auto made = Cgroup::create(hierarchy_, path, {});
    ASSERT_FALSE(made.ok()) << path;
    EXPECT_EQ(made.error().code, EINVAL) << made.error().text();
  }
}

TEST_F(CgroupCreate, ExplainsWhatItsFilesDoNotSay) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text();
  EXPECT_EQ(cgroup->explain_join(ENODEV), "cgroup " + base_ + "/a was removed");
  EXPECT_EQ(cgroup->explain_join(EOPNOTSUPP), "cgroup " + base_ + "/a is of type \"domain\": an ancestor is threaded");
  EXPECT_EQ(cgroup->explain_join(EAGAIN), "") << "it has no limit of processes";
  EXPECT_NE(cgroup->explain_join(EACCES).find("the right to write its cgroup.procs"), std::string::npos);
  EXPECT_EQ(Cgroup::none().explain_join(EAGAIN), "");
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::wait, in(seconds(5))).ok());
}

TEST_F(CgroupCreate, AdoptsOneOfSomebodyElsesWithItsProcess) {
  ASSERT_EQ(mkdirat(root(), (base_ + "/scope").c_str() + 1, 0755), 0);
  auto scope = Cgroup::open(hierarchy_, {.path = base_ + "/scope", .made = 1});
  pid_t process = spawn_sleeper(scope->fd());
  ASSERT_GT(process, 0);
  auto itself = Cgroup::adopt(hierarchy_, {base_ + "/scope", "", process}, {});
  ASSERT_TRUE(itself.ok()) << itself.error().text();
  EXPECT_EQ(itself->record().made, 1u);

  auto below = Cgroup::adopt(hierarchy_, {base_ + "/scope", "container", process}, {});
  ASSERT_TRUE(below.ok()) << below.error().text();
  EXPECT_EQ(below->record().path, base_ + "/scope/container");
  EXPECT_EQ(*read_file(below->fd(), "cgroup.procs"), std::to_string(process) + "\n");

  for (const char* name : {"..", "a/", "/a"}) EXPECT_FALSE(Cgroup::adopt(hierarchy_, {base_, name, process}, {}).ok());
  ASSERT_TRUE(below->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  EXPECT_FALSE(exists(base_ + "/scope")) << "it is removed with what is in it";
  auto gone = Cgroup::adopt(hierarchy_, {base_ + "/scope", "", process}, {});
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code, ENOENT);
}

}  // namespace
}  // namespace minirun
