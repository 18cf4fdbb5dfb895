// SPDX-License-Identifier: Apache-2.0
// The private world in which the integration tests run, so that they can be run as root on any machine:
//
//   a pid namespace whose PID 1 reaps, a mount namespace with mount propagation as systemd sets it up (shared), cgroup2
//   at /sys/fs/cgroup whose root is a cgroup made for the tests and delegated to them (a cgroup namespace; the tests
//   themselves are in its child /tests), and an empty tmpfs on /run with the folder /run/tests for whatever tests
//   write.
//
// Nothing of it outlives the program, not even its being killed by SIGTERM.
#pragma once

#include <functional>

namespace minirun::testing {

// Runs `tests` in a world of its own and returns what it returned; 1 with a line on stderr when the world cannot be
// made or the tests were killed. Needs root.
int run_in_private_world(const std::function<int()>& tests);

// How many times slower than a machine of its own this one is ($MINIRUN_TESTS_SLOWNESS, 1 when unset): an emulated
// guest is about 5. Time limits are multiplied by it.
int slowness();

}  // namespace minirun::testing
