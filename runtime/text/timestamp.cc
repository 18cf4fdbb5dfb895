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

bool is_rfc3339(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00.000000000";
  constexpr size_t kFewest = kForm.size() - 3;
  if (!text.ends_with('Z')) return false;
  text.remove_suffix(1);
  if (text.size() < kFewest || text.size() > kForm.size()) return false;
  for (size_t i = 0; i < text.size(); i++) {
    bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '0' ? !digit : text[i] != kForm[i]) return false;
  }
  return true;
}

std::string now_rfc3339(int digits) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return rfc3339(now, digits);
}

}  // namespace minirun
