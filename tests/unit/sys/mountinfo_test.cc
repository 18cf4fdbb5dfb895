// SPDX-License-Identifier: Apache-2.0
#include "sys/mountinfo.h"

#include <gtest/gtest.h>

namespace minirun {

TEST(Mountinfo, FieldsAreFoundWhateverThePropagation) {
  auto mounts = parse_mountinfo(
      "22 1 0:21 / / rw - ext4 /dev/vda rw\n"
      "36 22 98:0 /in\\040it /mnt\\0402 rw,noatime shared:1 master:2 - ext3 /dev/root rw\n");
  ASSERT_EQ(mounts.size(), 2u);
  EXPECT_EQ(mounts[0].id, 22u);
  EXPECT_EQ(mounts[0].parent, 1u);
  EXPECT_EQ(mounts[0].root, "/");
  EXPECT_EQ(mounts[0].mount_point, "/");
  EXPECT_EQ(mounts[0].type, "ext4");
  EXPECT_EQ(mounts[1].parent, 22u);
  EXPECT_EQ(mounts[1].root, "/in it");
  EXPECT_EQ(mounts[1].mount_point, "/mnt 2");
  EXPECT_EQ(mounts[1].type, "ext3");
}

TEST(Mountinfo, WhatIsNoLineIsLeftOut) {
  EXPECT_TRUE(parse_mountinfo("").empty());
  EXPECT_TRUE(parse_mountinfo("1\n\n1 1 0:2 /\n").empty());
  ASSERT_EQ(parse_mountinfo("1 - x").size(), 1u);  // of a kernel that says less
  EXPECT_EQ(parse_mountinfo("1 - x")[0].mount_point, "");
}

TEST(Mountinfo, EscapesAreThreeDigits) {
  auto root = [](const std::string& path) { return parse_mountinfo("1 0 0:1 " + path + " / rw - x x rw")[0].root; };
  EXPECT_EQ(root("/a\\040b\\011\\012\\134c"), "/a b\t\n\\c");
  EXPECT_EQ(root("/a\\04"), "/a\\04");
  EXPECT_EQ(root("/a\\999\\"), "/a\\999\\");
}

}  // namespace minirun
