// SPDX-License-Identifier: Apache-2.0
// What finds a container's cgroup without its record, and signals to all in it.
#include <sys/xattr.h>

#include <cstring>

#include "cgroups/signal.h"
#include "tests/unit/cgroups/cgroup_root.h"

namespace minirun {
namespace {

class CgroupMark : public CgroupRoot {
 protected:
  Cgroup make(const std::string& name) {
    auto made = Cgroup::create(hierarchy_, base_ + name, {});
    EXPECT_TRUE(made.ok()) << made.error().text();
    return std::move(made).value();
  }
  void expect_removed(Cgroup& cgroup) {
    auto removed = cgroup.remove(Cgroup::Processes::kill, in(seconds(5)));
    EXPECT_TRUE(removed.ok()) << removed.error().text();
  }
};

TEST_F(CgroupMark, IsFoundByItsExactOwnerWithAllThatWasMade) {
  Cgroup one = make("/deep/one"), other = make("/other"), bare = make("/bare");
  auto marked = one.mark("web 1:2");
  ASSERT_TRUE(marked.ok()) << marked.error().text();
  ASSERT_TRUE(other.mark("web 1:23").ok());
  auto found = Cgroup::find_marked(hierarchy_, "web 1:2");
  ASSERT_TRUE(found.ok()) << found.error().text();
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ((*found)[0].record().path, base_ + "/deep/one");
  EXPECT_EQ((*found)[0].record().inode, one.record().inode);
  EXPECT_EQ((*found)[0].record().made, 2U);
  EXPECT_FALSE(one.is_marked_by_another("web 1:2"));
  EXPECT_TRUE(one.is_marked_by_another("web 1:23"));
  EXPECT_FALSE(bare.is_marked_by_another("web 1:2"));
  EXPECT_TRUE(Cgroup::find_marked(hierarchy_, "web 1:")->empty());
  EXPECT_TRUE(Cgroup::find_marked(hierarchy_, "")->empty());
  expect_removed((*found)[0]);
  EXPECT_FALSE(exists(base_ + "/deep"));
  EXPECT_TRUE(exists(base_ + "/other"));
  expect_removed(other);
  expect_removed(bare);
}

// The directory stays when the container goes, and the mark would with it.
TEST_F(CgroupMark, IsNotLeftOnWhatWasThereBefore) {
  std::string path = base_ + "/mine";
  ASSERT_EQ(mkdirat(root(), path.c_str() + 1, 0755), 0);
  Cgroup cgroup = make("/mine");
  EXPECT_TRUE(cgroup.mark("web").ok());
  EXPECT_TRUE(Cgroup::find_marked(hierarchy_, "web")->empty());
  unlinkat(root(), path.c_str() + 1, AT_REMOVEDIR);
}

// A tenant's own words on its own cgroup.
TEST_F(CgroupMark, WhatATenantWritesHidesNobodyElse) {
  Cgroup mine = make("/mine/one"), hostile = make("/hostile"), liar = make("/liar");
  ASSERT_TRUE(mine.mark("web 1:2").ok());
  const std::string big(60000, 'x');
  ASSERT_EQ(fsetxattr(hostile.fd(), "user.minirun", big.data(), big.size(), 0), 0) << strerror(errno);
  for (const char* made :
       {"4000000000 web 1:2", "0 web 1:2", "-1 web 1:2", "99999999999 web 1:2", "web 1:2", " web 1:2"}) {
    ASSERT_EQ(fsetxattr(liar.fd(), "user.minirun", made, strlen(made), 0), 0);
    auto found = Cgroup::find_marked(hierarchy_, "web 1:2");
    ASSERT_TRUE(found.ok()) << found.error().text();
    ASSERT_EQ(found->size(), 1U) << made;
    EXPECT_EQ((*found)[0].record().path, base_ + "/mine/one");
  }
  EXPECT_TRUE(hostile.is_marked_by_another("web 1:2")) << "no mark of minirun's is as long";
  for (Cgroup* cgroup : {&mine, &hostile, &liar}) expect_removed(*cgroup);
}

TEST_F(CgroupMark, SignalsGoToAllBelowButOne) {
  Cgroup cgroup = make("/a");
  ASSERT_EQ(mkdirat(cgroup.fd(), "x", 0755), 0);
  auto nested = open_at(cgroup.fd(), "x", O_RDONLY | O_DIRECTORY);
  pid_t spared = spawn_sleeper(cgroup.fd()), outer = spawn_sleeper(cgroup.fd()), inner = spawn_sleeper(nested->get());
  auto looked = signal_processes(cgroup.fd(), 0, 0);
  ASSERT_TRUE(looked.ok()) << looked.error().text();
  EXPECT_EQ(*looked, 3U);
  EXPECT_EQ(*signal_processes(cgroup.fd(), SIGUSR1, spared), 2U);
  EXPECT_EQ(wait_for(outer), SIGUSR1);
  EXPECT_EQ(wait_for(inner), SIGUSR1);
  EXPECT_EQ(::kill(spared, 0), 0);
  EXPECT_EQ(cgroup.wait_until_empty(in(milliseconds(50))).error().code, EBUSY);
  EXPECT_EQ(*signal_processes(cgroup.fd(), SIGTERM, 0), 1U);
  EXPECT_EQ(wait_for(spared), SIGTERM);
  EXPECT_TRUE(cgroup.wait_until_empty(in(seconds(5))).ok());
  EXPECT_EQ(*signal_processes(cgroup.fd(), SIGTERM, 0), 0U);
  nested->reset();
  expect_removed(cgroup);
  EXPECT_TRUE(cgroup.wait_until_empty(in(seconds(5))).ok());  // gone is empty
}

}  // namespace
}  // namespace minirun
