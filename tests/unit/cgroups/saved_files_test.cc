// SPDX-License-Identifier: Apache-2.0
#include "cgroups/saved_files.h"

#include "sys/file.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/cgroups/cgroup_root.h"

namespace minirun {
namespace {

TEST(UndoValue, IsTheLineThatWasThere) {
  struct Case {
    const char *file, *content, *value, *undo;
  };
  const Case cases[] = {
      {"memory.max", "max\n", "1048576", "max"},
      {"cpu.max", "20000 100000\n", "max 50000", "20000 100000"},
      {"cpuset.cpus", "\n", "0-1", "\n"},
      {"cpuset.cpus", "", "0-1", "\n"},
      {"cpuset.cpus", "0-3,8\n", "0", "0-3,8"},
      {"io.max", "8:0 rbps=max wbps=7 riops=max wiops=max\n8:16 rbps=1 wbps=max riops=max wiops=max\n", "8:16 rbps=9",
       "8:16 rbps=1 wbps=max riops=max wiops=max"},
      {"io.max", "8:0 rbps=max wbps=7 riops=max wiops=max\n", "8:16 rbps=9",
       "8:16 rbps=max wbps=max riops=max wiops=max"},
      {"io.max", "", "8:16 rbps=9", "8:16 rbps=max wbps=max riops=max wiops=max"},
      {"io.weight", "default 100\n8:0 50\n", "500", "default 100"},
      {"io.weight", "default 100\n8:0 50\n", "8:0 60", "8:0 50"},
      {"io.bfq.weight", "default 100\n", "8:16 60", "8:16 default"},
      {"rdma.max", "mlx4_0 hca_handle=2 hca_object=max\n", "mlx4_0 hca_handle=3", "mlx4_0 hca_handle=2 hca_object=max"},
      {"rdma.max", "", "mlx4_0 hca_handle=3", "mlx4_0 hca_handle=max hca_object=max"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(undo_value(c.file, c.content, c.value).value_or("(none)"), c.undo) << c.file << " " << c.value;
}

TEST(UndoValue, IsNotMadeUp) {
  EXPECT_FALSE(undo_value("some.table", "a 1\nb 2\n", "a 3"));
  EXPECT_FALSE(undo_value("io.latency", "", "8:0 target=7"));
  EXPECT_FALSE(undo_value("cpu.weight", "0\n", "59"));
}

TEST(SavedFiles, PutBackTheLatestFirstAndOnlyWhatChanged) {
  TemporaryDirectory directory;
  directory.write("a.max", "1\n");
  directory.write("b.max", "max\n");
  directory.write("c.table", "x 1\ny 2\n");
  SavedFiles saved(directory.fd());
  saved.save({.file = "a.max", .value = "2", .origin = ""});
  directory.write("a.max", "2\n");
  saved.save({.file = "missing.max", .value = "2", .origin = "", .fallback_file = "b.max", .fallback_value = "7"});
  directory.write("b.max", "7\n");
  saved.save({.file = "a.max", .value = "3", .origin = ""});
  directory.write("a.max", "3\n");
  saved.save({.file = "c.table", .value = "x 3", .origin = ""});
  directory.write("c.table", "x 3\ny 2\n");
  EXPECT_EQ(saved.restore(), "c.table") << "a table of an unknown kind";
  EXPECT_EQ(read_file(directory.fd(), "a.max")->substr(0, 1), "1");
  EXPECT_EQ(read_file(directory.fd(), "b.max")->substr(0, 3), "max");
  EXPECT_EQ(saved.restore(), "") << "nothing is kept";
}

class CgroupChange : public CgroupRoot {
 protected:
  static Result<void> nothing() { return {}; }
};

TEST_F(CgroupChange, IsAllOrNothing) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  std::vector<Write> writes = {{.file = "cgroup.max.depth", .value = "3", .origin = "unified.cgroup.max.depth"},
                               {.file = "cgroup.max.descendants", .value = "4", .origin = "x"}};
  auto changed = cgroup->change(writes, nothing);
  ASSERT_TRUE(changed.ok()) << changed.error().text();
  EXPECT_EQ(*read_file(cgroup->fd(), "cgroup.max.depth"), "3\n");
  EXPECT_EQ(*read_file(cgroup->fd(), "cgroup.max.descendants"), "4\n");

  writes[0].value = "5";
  writes[1].value = "many";
  EXPECT_EQ(cgroup->change(writes, nothing).error().text(),
            "x: write \"many\" to cgroup.max.descendants of cgroup " + base_ +
                "/a (the kernel does not take this value): invalid argument");
  EXPECT_EQ(*read_file(cgroup->fd(), "cgroup.max.depth"), "3\n");
  EXPECT_EQ(*read_file(cgroup->fd(), "cgroup.max.descendants"), "4\n");

  writes[1].value = "6";
  auto last = cgroup->change(writes, [] { return Result<void>(fail(EPERM, "the last step")); });
  EXPECT_EQ(last.error().text(), "the last step: operation not permitted");
  EXPECT_EQ(*read_file(cgroup->fd(), "cgroup.max.depth"), "3\n");
  EXPECT_EQ(*read_file(cgroup->fd(), "cgroup.max.descendants"), "4\n");
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupChange, LooksAtUsageBeforeTheFirstWrite) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  ASSERT_TRUE(write_control(cgroup->fd(), "cgroup.max.descendants", "7").ok());
  std::vector<Write> writes = {
      {.file = "cgroup.max.depth", .value = "no number", .origin = "first"},
      {.file = "cgroup.max.depth", .value = "1", .origin = "second", .not_below = "cgroup.max.descendants"}};
  EXPECT_EQ(cgroup->change(writes, nothing).error().text(),
            "second: 1 is less than the 7 bytes in use (cgroup.max.descendants): device or resource busy");
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupChange, PutsBackEveryController) {
  for (const char* controller : {"memory", "cpu", "cpuset", "pids"})
    if (!offers(controller)) GTEST_SKIP() << "no " << controller << " controller on cgroup2";
  Limits limits;
  limits.memory = {.limit = 64 << 20, .reservation = 32 << 20, .swap = 64 << 20};
  limits.cpu = {.shares = 512, .quota = 20000, .period = 50000, .burst = 10000, .cpus = "", .mems = ""};
  limits.pids = 10;
  auto before = plan_limits(limits);
  before->needed.push_back({"cpuset", "cpu.cpus"});
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", before->needed);
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text();
  ASSERT_TRUE(cgroup->apply(before->writes).ok());
  const char* files[] = {"memory.max", "memory.low",    "memory.swap.max", "cpu.weight",  "cpu.idle",
                         "cpu.max",    "cpu.max.burst", "pids.max",        "cpuset.cpus", "cpuset.mems"};
  std::vector<std::string> old;
  for (const char* file : files) old.push_back(*read_file(cgroup->fd(), file));

  limits.memory = {.limit = 128 << 20, .reservation = 16 << 20, .swap = 256 << 20};
  limits.cpu = {.quota = 40000, .period = 100000, .burst = 0, .idle = 1, .cpus = "0", .mems = "0"};
  limits.pids = -1;
  limits.unified = {{"cgroup.max.depth", "no number"}};
  auto changed = cgroup->change(plan_limits(limits)->writes, nothing);
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().text().find("could not be restored"), std::string::npos) << changed.error().text();
  for (size_t i = 0; i < old.size(); ++i) EXPECT_EQ(*read_file(cgroup->fd(), files[i]), old[i]) << files[i];
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

}  // namespace
}  // namespace minirun
