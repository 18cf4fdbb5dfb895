// SPDX-License-Identifier: Apache-2.0
// Trees of cgroups that a container has made: deeper than a path can be, and larger than minirun looks at.
#include "cgroups/walk.h"

#include <map>
#include <set>

#include "cgroups/processes.h"
#include "cgroups/signal.h"
#include "tests/unit/cgroups/cgroup_root.h"

namespace minirun {
namespace {

class CgroupWalk : public CgroupRoot {
 protected:
  Cgroup make(const std::string& name) {
    auto made = Cgroup::create(hierarchy_, base_ + name, {});
    EXPECT_TRUE(made.ok()) << made.error().text();
    return std::move(made).value();
  }
  // A chain of so many cgroups; the descriptor of the last one.
  static UniqueFd make_deep(int cgroup_fd, size_t levels, const std::string& name) {
    UniqueFd here(openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (size_t i = 0; i < levels && here; ++i) {
      EXPECT_EQ(mkdirat(here.get(), name.c_str(), 0755), 0) << "level " << i << ": " << strerror(errno);
      here.reset(openat(here.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    return here;
  }
  static void make_many(int cgroup_fd, const std::string& below, int count) {
    ASSERT_EQ(mkdirat(cgroup_fd, below.c_str(), 0755), 0);
    for (int i = 0; i < count; ++i) ASSERT_EQ(mkdirat(cgroup_fd, fmt::format("{}/{}", below, i).c_str(), 0755), 0);
  }
  void expect_removed(Cgroup& cgroup) {
    auto removed = cgroup.remove(Cgroup::Processes::kill, in(seconds(60)));
    EXPECT_TRUE(removed.ok()) << removed.error().text();
  }
};

TEST_F(CgroupWalk, DeeperThanAPathCanBe) {
  Cgroup cgroup = make("/deep");
  const std::string name(200, 'n');
  UniqueFd bottom = make_deep(cgroup.fd(), 30, name);  // 6,030 bytes: PATH_MAX is 4,096
  pid_t inside = spawn_sleeper(bottom.get());
  auto pids = list_processes(cgroup.fd());
  ASSERT_TRUE(pids.ok()) << pids.error().text();
  EXPECT_EQ(*pids, std::vector<pid_t>{inside});
  auto sent = signal_processes(cgroup.fd(), SIGTERM, 0);
  ASSERT_TRUE(sent.ok()) << sent.error().text();
  EXPECT_EQ(*sent, 1U);
  EXPECT_EQ(wait_for(inside), SIGTERM);
  ASSERT_TRUE(cgroup.mark("web 1:2").ok());
  auto found = Cgroup::find_marked(hierarchy_, "web 1:2");
  ASSERT_TRUE(found.ok()) << found.error().text();
  EXPECT_EQ(found->size(), 1U);
  bottom.reset();
  expect_removed(cgroup);
}

TEST_F(CgroupWalk, VisitsEachOnceAndNotBelowWhereToldSo) {
  Cgroup cgroup = make("/tree");
  for (const char* path : {"a", "a/x", "a/x/y", "b", "b/x"}) ASSERT_EQ(mkdirat(cgroup.fd(), path, 0755), 0);
  std::multiset<std::string> seen;
  ASSERT_TRUE(walk_cgroups(cgroup.fd(), {}, [&](const std::string& path, int fd) {
                EXPECT_EQ(faccessat(fd, "cgroup.procs", F_OK, 0), 0);
                seen.insert(path);
                return path != "./a/x";
              }).ok());
  EXPECT_EQ(seen, (std::multiset<std::string>{".", "./a", "./a/x", "./b", "./b/x"}));
  expect_removed(cgroup);
}

TEST_F(CgroupWalk, MoreThanAreLookedAtIsAnErrorOrAFairPart) {
  Cgroup cgroup = make("/many");
  make_many(cgroup.fd(), "huge", 500);
  for (const char* path : {"a", "a/x", "b", "b/x", "c", "c/x"}) ASSERT_EQ(mkdirat(cgroup.fd(), path, 0755), 0);
  auto refused = walk_cgroups(cgroup.fd(), {HugeTree::refuse, 100}, [](const std::string&, int) { return true; });
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, E2BIG);
  std::map<std::string, int> seen;
  size_t count = 0;
  ASSERT_TRUE(walk_cgroups(cgroup.fd(), {HugeTree::see_in_part, 100}, [&](const std::string& path, int) {
                ++count;
                return ++seen[path] == 1;
              }).ok());
  for (const char* path : {".", "./a", "./a/x", "./b", "./b/x", "./c", "./c/x", "./huge"})
    EXPECT_EQ(seen[path], 1) << path;
  EXPECT_LE(count, 100U);
  EXPECT_GT(count, 20U) << "hardly anything of the huge one was seen";
  EXPECT_TRUE(walk_cgroups(cgroup.fd(), {HugeTree::refuse, 508}, [](const std::string&, int) { return true; }).ok());
  expect_removed(cgroup);
}

}  // namespace
}  // namespace minirun
