// SPDX-License-Identifier: Apache-2.0
// integration_tests: runs the built minirun as a user would. As root:
//
//   build/integration_tests [--gtest_filter=...]
//   build/integration_tests --in-world PROGRAM [ARGUMENT...]    runs another program in the tests' private world
//
// $MINIRUN and $PAYLOAD name other programs than those beside this one.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "tests/support/world.h"

namespace {

int run_other(char** argv) {
  return minirun::testing::run_in_private_world([&] {
    execv(argv[0], argv);
    perror(argv[0]);
    return 127;
  });
}

int run_tests() {
  if (chdir("/run/tests") == 0) return RUN_ALL_TESTS();
  perror("/run/tests");
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 && strcmp(argv[1], "--in-world") == 0) return run_other(argv + 2);
  ::testing::InitGoogleTest(&argc, argv);
  if (::testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  return minirun::testing::run_in_private_world(run_tests);
}
