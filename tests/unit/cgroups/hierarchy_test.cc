// SPDX-License-Identifier: Apache-2.0
#include "cgroups/hierarchy.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace minirun {

using Strings = std::vector<std::string>;

TEST(Cgroup2MountPoints, FindsThePureLayout) {
  EXPECT_EQ(cgroup2_mount_points("24 1 0:22 / /proc rw,nosuid shared:5 - proc proc rw\n"
                                 "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"),
            Strings{"/sys/fs/cgroup"});
}

TEST(Cgroup2MountPoints, FindsItAmongCgroupV1Trees) {
  EXPECT_EQ(cgroup2_mount_points("30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
                                 "31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                                 "32 30 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"),
            Strings{"/sys/fs/cgroup/unified"});
}

TEST(Cgroup2MountPoints, SkipsOptionalFieldsHoweverManyThereAre) {
  EXPECT_EQ(cgroup2_mount_points("1 2 0:3 / /a rw - cgroup2 x rw\n"
                                 "1 2 0:3 / /b rw shared:1 master:2 propagate_from:3 unbindable - cgroup2 x rw\n"),
            (Strings{"/a", "/b"}));
}

TEST(Cgroup2MountPoints, DecodesBlanksInAPath) {
  EXPECT_EQ(cgroup2_mount_points("1 2 0:3 / /my\\040cgroups\\134x rw - cgroup2 x rw\n"), Strings{"/my cgroups\\x"});
}

TEST(Cgroup2MountPoints, TakesABackslashWithoutThreeOctalDigitsAsItIs) {
  for (const char* path : {"/a\\", "/a\\04", "/a\\x40", "/a\\0x0", "/a\\04x", "/a\\840", "/a\\080", "/a\\048"})
    EXPECT_EQ(cgroup2_mount_points(std::string("1 2 0:3 / ") + path + " rw - cgroup2 x rw\n"), Strings{path}) << path;
}

TEST(Cgroup2MountPoints, LeavesOutPartsOfTheTree) {
  EXPECT_EQ(cgroup2_mount_points("1 2 0:3 /user.slice /mnt rw - cgroup2 x rw\n"
                                 "1 2 0:3 /.. /mnt2 rw - cgroup2 x rw\n"
                                 "1 2 0:3 / relative rw - cgroup2 x rw\n"),
            Strings{});
}

TEST(Cgroup2MountPoints, SurvivesAnyCutOfALine) {
  std::string line = "30 24 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n";
  for (size_t length = 0; length < line.size(); ++length)
    EXPECT_LE(cgroup2_mount_points(line.substr(0, length)).size(), 1U);
  EXPECT_EQ(cgroup2_mount_points(""), Strings{});
  EXPECT_EQ(cgroup2_mount_points("\n\n - \n - cgroup2\n"), Strings{});
}

TEST(OwnCgroupPath, TakesTheUnifiedLineOnly) {
  EXPECT_EQ(*own_cgroup_path("9:name=systemd:/x\n4:memory:/y\n0::/user.slice/session-1.scope\n"),
            "/user.slice/session-1.scope");
  EXPECT_EQ(*own_cgroup_path("0::/\n"), "/");
  EXPECT_EQ(own_cgroup_path("4:memory:/y\n").error().code, ENOENT);
}

constexpr char kProcCgroups[] =
    "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
    "cpuset\t0\t1\t1\nblkio\t7\t1\t1\nmemory\t4\t11\t1\npids\t0\t1\t0\n";

TEST(ParseProcCgroups, ReadsNameHierarchyAndSwitch) {
  auto states = parse_proc_cgroups(kProcCgroups);
  ASSERT_EQ(states.size(), 4U);
  EXPECT_EQ(states[2].name, "memory");
  EXPECT_EQ(states[2].hierarchy, 4);
  EXPECT_TRUE(states[2].enabled);
  EXPECT_FALSE(states[3].enabled);
}

TEST(WhyControllerMissing, TellsTheFourReasonsApart) {
  auto states = parse_proc_cgroups(kProcCgroups);
  EXPECT_EQ(why_controller_missing("memory", states), "which is bound to cgroup v1 (hierarchy 4) on this host");
  EXPECT_EQ(why_controller_missing("io", states), "which is bound to cgroup v1 (hierarchy 7) on this host");
  EXPECT_EQ(why_controller_missing("pids", states),
            "which is switched off on this host (cgroup_disable= on the kernel's command line)");
  EXPECT_EQ(why_controller_missing("cpuset", states), "which the cgroup that is mounted as the root does not have");
  EXPECT_EQ(why_controller_missing("rdma", states), "which this kernel does not have");
}

}  // namespace minirun
