// SPDX-License-Identifier: Apache-2.0
// The CPU time and the page faults of commands that this process starts and waits for.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace minirun::testing {

// The least that `used`, of what getrusage(2) counts for ended children, grew by in so many rounds of work: other work
// on the machine can only add to it. work: starts commands, and waits for them.
template <class Used, class Work>
int64_t least_use(int times, const Used& used, const Work& work) {
  auto now = [&] {
    rusage usage{};
    EXPECT_EQ(getrusage(RUSAGE_CHILDREN, &usage), 0);
    return int64_t{used(usage)};
  };
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int i = 0; i < times; ++i) {
    const int64_t before = now();
    work();
    least = std::min(least, now() - before);
  }
  return least;
}

// In microseconds.
template <class Work>
int64_t least_cpu_us(int times, const Work& work) {
  auto us = [](const timeval& time) { return int64_t{time.tv_sec} * 1'000'000 + time.tv_usec; };
  return least_use(
      times, [&](const rusage& usage) { return us(usage.ru_utime) + us(usage.ru_stime); }, work);
}

// Page faults that read nothing from a disk.
template <class Work>
int64_t least_faults(int times, const Work& work) {
  return least_use(
      times, [](const rusage& usage) { return usage.ru_minflt; }, work);
}

}  // namespace minirun::testing
