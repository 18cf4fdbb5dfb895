// SPDX-License-Identifier: Apache-2.0
// When a workload must have ended, and how minirun ends it then (--timeout, --cpu-time, --grace).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace minirun {

enum class TimeLimit : uint8_t { none, timeout, cpu_time };

// No time in it is longer than a hundred years (read_deadline()), so that sums of them stay within the clock's range.
struct Deadline {
  // CLOCK_MONOTONIC, as in timeout(1) and systemd: it continues while a container is paused, and stops while the
  // machine is suspended, which then runs no workload either.
  using Clock = std::chrono::steady_clock;

  std::optional<Clock::time_point> end;              // --timeout, counted from the start of the command
  std::optional<std::chrono::nanoseconds> cpu_time;  // of all processes together, user and system
  std::chrono::nanoseconds grace = std::chrono::seconds(10);
  int stop_signal = 15;  // SIGTERM

  bool any() const { return end || cpu_time; }
};

}  // namespace minirun
