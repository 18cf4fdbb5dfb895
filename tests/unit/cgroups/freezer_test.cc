// SPDX-License-Identifier: Apache-2.0
#include "cgroups/freezer.h"

#include "cgroups/processes.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/cgroups/cgroup_root.h"

namespace minirun {
namespace {

class CgroupFreezer : public CgroupRoot {
 protected:
  // CPU time is a counter that stands still with them.
  uint64_t cpu_time(const Cgroup& cgroup) {
    std::string text = *read_file(cgroup.fd(), "cpu.stat");
    return strtoull(text.c_str() + text.find(' '), nullptr, 10);
  }
};

TEST_F(CgroupFreezer, StopsAllAndLetsThemGoOn) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  spawn(cgroup->fd(), [] {
    for (volatile unsigned turns = 0;;) turns = turns + 1;  // a loop without an effect may be taken away
    return 0;
  });
  EXPECT_FALSE(*is_frozen(root(), (base_ + "/a").substr(1)));
  auto frozen = freeze(*cgroup, in(seconds(5)));
  ASSERT_TRUE(frozen.ok()) << frozen.error().text();
  EXPECT_TRUE(*is_frozen(root(), (base_ + "/a").substr(1)));
  uint64_t stopped = cpu_time(*cgroup);
  usleep(100000);
  EXPECT_EQ(cpu_time(*cgroup), stopped);
  ASSERT_TRUE(thaw(*cgroup, in(seconds(5))).ok());
  EXPECT_FALSE(*is_frozen(root(), (base_ + "/a").substr(1)));
  usleep(100000);
  EXPECT_GT(cpu_time(*cgroup), stopped);
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupFreezer, FrozenOnesCanBeKilledAndRemoved) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  pid_t sleeper = spawn_sleeper(cgroup->fd());
  ASSERT_TRUE(freeze(*cgroup, in(seconds(5))).ok());
  auto removed = cgroup->remove(Cgroup::Processes::kill, in(seconds(5)));
  EXPECT_TRUE(removed.ok()) << removed.error().text();
  EXPECT_EQ(wait_for(sleeper), SIGKILL);
}

TEST_F(CgroupFreezer, OneAboveThatIsFrozenIsToldWhenThisOneCannotGoOn) {
  auto above = Cgroup::create(hierarchy_, base_ + "/a", {});
  auto below = Cgroup::create(hierarchy_, base_ + "/a/b", {});
  spawn_sleeper(below->fd());
  ASSERT_TRUE(freeze(*above, in(seconds(5))).ok());
  EXPECT_FALSE(*is_frozen(root(), (base_ + "/a/b").substr(1))) << "not by itself";
  ASSERT_TRUE(freeze(*below, in(seconds(5))).ok());
  auto thawed = thaw(*below, in(milliseconds(50)));
  EXPECT_EQ(thawed.error().text(), "cgroup " + base_ + "/a/b stays frozen, as one above it is: connection timed out");
  ASSERT_TRUE(thaw(*above, in(seconds(5))).ok());
  ASSERT_TRUE(above->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupFreezer, GoneCgroupIsAnError) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  auto other = Cgroup::open(hierarchy_, cgroup->record());
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  EXPECT_FALSE(freeze(*other, in(seconds(5))).ok());
  EXPECT_FALSE(is_frozen(root(), (base_ + "/a").substr(1)).ok());
}

// A tree of plain files stands for processes that nothing can stop.
TEST(FrozenFake, WhoDoesNotStopIsNamedAndTheOthersGoOn) {
  TemporaryDirectory tree;
  tree.make_directory("a");
  tree.write("a/cgroup.events", "populated 1\nfrozen 0\n");
  tree.write("a/cgroup.freeze", "0\n");
  tree.write("a/cgroup.procs", std::to_string(getpid()) + "\n");
  Hierarchy hierarchy{UniqueFd(open(tree.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), tree.path(), false};
  auto cgroup = Cgroup::open(hierarchy, {.path = "/a"});
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text();
  std::string text = freeze(*cgroup, in(milliseconds(20))).error().text();
  EXPECT_EQ(text.rfind("cgroup /a: pid " + std::to_string(getpid()) + " (unit_tests, R", 0), 0u) << text;
  EXPECT_NE(text.find(" cannot be frozen: connection timed out"), std::string::npos) << text;
  EXPECT_EQ(read_file(tree.fd(), "a/cgroup.freeze")->substr(0, 1), "0");
}

TEST_F(CgroupFreezer, ProcessesOfTheWholeTreeAreListed) {
  auto above = Cgroup::create(hierarchy_, base_ + "/a", {});
  EXPECT_EQ(*list_processes(above->fd()), std::vector<pid_t>{});
  auto below = Cgroup::create(hierarchy_, base_ + "/a/b/c", {});
  std::vector<pid_t> pids = {spawn_sleeper(above->fd()), spawn_sleeper(below->fd()), spawn_sleeper(below->fd())};
  std::sort(pids.begin(), pids.end());
  auto listed = list_processes(above->fd());
  ASSERT_TRUE(listed.ok()) << listed.error().text();
  EXPECT_EQ(*listed, pids);
  EXPECT_EQ(list_processes(below->fd())->size(), 2u);
  ASSERT_TRUE(above->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  int code = list_processes(above->fd()).error().code;
  EXPECT_TRUE(code == ENODEV || code == ENOENT) << code;
}

}  // namespace
}  // namespace minirun
