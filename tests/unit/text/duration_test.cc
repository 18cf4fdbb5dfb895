// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/duration.h"

#include <gtest/gtest.h>

namespace minirun {

using std::chrono::nanoseconds;

TEST(ParseDuration, TakesTheFormsOfGo) {
  const std::pair<const char*, int64_t> kForms[] = {
      {"0", 0},
      {"0s", 0},
      {"10s", 10'000'000'000},
      {"1.5s", 1'500'000'000},
      {"500ms", 500'000'000},
      {"1m30s", 90'000'000'000},
      {"2h", 7'200'000'000'000},
      {"1h2m3s4ms5us6ns", 3'723'004'005'006},
      {".5s", 500'000'000},
      {"1.s", 1'000'000'000},
      {"7\xc2\xb5s", 7'000},
      {"0.0000000019s", 1},
      {"9223372036854775807ns", INT64_MAX},
  };
  for (const auto& [text, expected] : kForms) {
    auto duration = parse_duration(text);
    ASSERT_TRUE(duration.ok()) << text << ": " << duration.error().text();
    EXPECT_EQ(*duration, nanoseconds(expected)) << text;
  }
}

TEST(ParseDuration, RefusesWhatHasNoUnitOrMakesNoSense) {
  for (const char* text : {"", "10", "s", ".s", "-1s", "+1s", "1 s", "1s ", "1x", "1d", "1.5", "1..5s", "s10", "0x1s",
                           "9223372036854775808ns", "3000000h", "99999999999999999999s"}) {
    auto duration = parse_duration(text);
    EXPECT_FALSE(duration.ok()) << text;
    if (duration.ok()) continue;
    EXPECT_NE(duration.error().text().find("such as 10s"), std::string::npos) << duration.error().text();
  }
}

}  // namespace minirun
