// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/timestamp.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdint>

namespace minirun {

// Not by gmtime_r(3), which reads /etc/localtime.
std::string rfc3339(const timespec& time, int digits) {
  constexpr int64_t kDay = 86400;
  std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{time.tv_sec / kDay}}};
  int64_t second = time.tv_sec % kDay;
  std::string fraction = fmt::format("{:09}", time.tv_nsec).substr(0, static_cast<size_t>(digits));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), second / 3600,
                     second / 60 % 60, second % 60, fraction);
}

std::string now_rfc3339(int digits) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return rfc3339(now, digits);
}

}  // namespace minirun
