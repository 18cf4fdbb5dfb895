// integration_tests: runs the built minirun as a user would. As root:
//
//   build/integration_tests [--gtest_filter=...]
//
// $MINIRUN and $PAYLOAD name other programs than those beside this one.
#include <gtest/gtest.h>

#include "tests/integration/world.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (::testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  return minirun::testing::run_in_private_world([] { return RUN_ALL_TESTS(); });
}
