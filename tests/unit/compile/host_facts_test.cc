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

TEST(Host, ProbeTellsWhatThisProcessMayGive) {
  HostFacts facts = probe_host().value();
  EXPECT_EQ(facts.capabilities, grantable_capabilities());
}

}  // namespace minirun
