// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <sys/prctl.h>

namespace minirun::testing {

// What is created lives on as a child of this program, as it does with an engine or its monitor (prctl(2),
// PR_SET_CHILD_SUBREAPER).
template <class Test>
class WithSubreaper : public Test {
 protected:
  void SetUp() override {
    Test::SetUp();
    ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  }
  void TearDown() override {
    EXPECT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
    Test::TearDown();
  }
};

}  // namespace minirun::testing
