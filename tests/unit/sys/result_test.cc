// SPDX-License-Identifier: Apache-2.0
#include "sys/result.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace minirun {

TEST(ErrnoText, IsLowerCaseAsEnginesMatchIt) {
  EXPECT_EQ(errno_text(ENOENT), "no such file or directory");
  EXPECT_EQ(errno_text(EACCES), "permission denied");
  EXPECT_EQ(errno_text(ENOEXEC), "exec format error");
}

TEST(ErrnoText, NamesAnUnknownValueByNumber) {
  EXPECT_EQ(errno_text(4095), "errno 4095");
}

static Result<int> half(int n) {
  if (n % 2 != 0) return fail(EINVAL, "halve {}", n);
  return n / 2;
}

static Result<int> quarter(int n) {
  int h = TRY(half(n));
  return half(h);
}

TEST(Try, HandsTheFirstErrorUp) {
  ASSERT_TRUE(quarter(8).ok());
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(7).error().text(), "halve 7: invalid argument");
  EXPECT_EQ(quarter(6).error().text(), "halve 3: invalid argument");
}

}  // namespace minirun
