// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/host_facts.h"

#include <gtest/gtest.h>

#include "runtime/compile/capabilities.h"

namespace minirun {

TEST(Host, OnlyTheKernelsFirstMountIsAnInitramfs) {
  EXPECT_TRUE(root_is_rootfs("1 1 0:2 / / rw - rootfs rootfs rw\n2 1 0:5 / /proc rw - proc proc rw\n"));
  EXPECT_TRUE(root_is_rootfs("1 1 0:2 / / rw shared:1 - rootfs none rw"));
  EXPECT_FALSE(root_is_rootfs("22 1 0:20 / / rw - tmpfs root rw\n23 22 0:2 / /old rw - rootfs rootfs rw\n"));
  EXPECT_FALSE(root_is_rootfs("22 1 0:20 / / rw - tmpfs rootfs rw\n"));
  EXPECT_FALSE(root_is_rootfs(""));
  EXPECT_FALSE(root_is_rootfs("1\n\n1 1 0:2 /\n"));
}

TEST(Host, ViewsOfTheKernelAreThoseThatAreWholeAndUncovered) {
  EXPECT_EQ(kernel_views("1 0 0:2 / / rw - ext4 /dev/vda rw\n"
                         "2 1 0:3 / /proc rw shared:4 - proc proc rw\n"
                         "3 2 0:4 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n"
                         "4 1 0:5 / /sys rw - sysfs sysfs rw\n"
                         "5 1 0:3 /sys /part rw - proc proc rw\n"
                         "6 1 0:3 / /a\\040b/proc rw - proc proc rw\n"),
            (std::vector<std::string>{"/proc", "/sys", "/a b/proc"}));
  // The uppermost of a stack, and none where something else is on top.
  EXPECT_EQ(kernel_views("2 1 0:3 / /proc rw - proc proc rw\n3 2 0:9 / /proc rw - proc proc rw\n"
                         "4 1 0:5 / /sys rw - sysfs sysfs rw\n5 4 0:7 / /sys ro - tmpfs none ro\n"),
            (std::vector<std::string>{"/proc"}));
}

TEST(Host, ProbeTellsWhatThisProcessMayGive) {
  HostFacts facts = probe_host().value();
  EXPECT_EQ(facts.capabilities, grantable_capabilities());
}

}  // namespace minirun
