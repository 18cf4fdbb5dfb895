// SPDX-License-Identifier: Apache-2.0
// The CPU time of commands that this process starts and waits for.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace minirun::testing {

// Of the cheapest of so many times, in microseconds: other work on the machine can only add to it. work: starts
// commands, and waits for them.
template <class Work>
int64_t least_cpu_us(int times, const Work& work) {
  auto used = [] {
    rusage usage{};
    EXPECT_EQ(getrusage(RUSAGE_CHILDREN, &usage), 0);
    auto us = [](const timeval& time) { return int64_t{time.tv_sec} * 1'000'000 + time.tv_usec; };
    return us(usage.ru_utime) + us(usage.ru_stime);
  };
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int i = 0; i < times; ++i) {
    const int64_t before = used();
    work();
    least = std::min(least, used() - before);
  }
  return least;
}

}  // namespace minirun::testing
