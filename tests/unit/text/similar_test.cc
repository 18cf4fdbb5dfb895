// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/similar.h"

#include <gtest/gtest.h>

namespace minirun {

TEST(SimilarName, IsTheNearestOfFew) {
  const std::vector<std::string_view> names = {"memory", "maskedPaths", "args", "cwd", "readonlyPaths", "uid", "gid"};
  EXPECT_EQ(similar_name("memroy", names), "memory");
  EXPECT_EQ(similar_name("Memory", names), "memory");
  EXPECT_EQ(similar_name("maskedPath", names), "maskedPaths");
  EXPECT_EQ(similar_name("agrs", names), "args");
  EXPECT_EQ(similar_name("readOnlyPaths", names), "readonlyPaths");
  EXPECT_EQ(similar_name("id", names), "");
  EXPECT_EQ(similar_name("xid", names), "") << "as near to uid as to gid";
  EXPECT_EQ(similar_name("windows", names), "");
  EXPECT_EQ(similar_name("", names), "");
  EXPECT_EQ(similar_name(std::string(100'000, 'a'), names), "");
}

}  // namespace minirun
