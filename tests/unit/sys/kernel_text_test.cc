// SPDX-License-Identifier: Apache-2.0
#include "sys/kernel_text.h"

#include <gtest/gtest.h>

namespace minirun {
namespace {

TEST(KernelText, LinesLeaveTheText) {
  std::string_view text = "one\n\nlast";
  EXPECT_EQ(take_line(&text), "one");
  EXPECT_EQ(take_line(&text), "");
  EXPECT_EQ(take_line(&text), "last");
  EXPECT_EQ(text, "");
}

TEST(KernelText, NumbersLead) {
  EXPECT_EQ(leading_number("42\n"), 42U);
  EXPECT_EQ(leading_number("max\n"), std::nullopt);
  EXPECT_EQ(leading_number(""), std::nullopt);
  EXPECT_EQ(leading_number("18446744073709551616"), std::nullopt);
}

TEST(KernelText, AKeyIsAWholeWordAtTheStartOfALine) {
  const std::string_view events = "low 0\noom 1\noom_kill 2\nx oom 3\n";
  EXPECT_EQ(number_of_line(events, "oom"), 1U);
  EXPECT_EQ(number_of_line(events, "oom_kill"), 2U);
  EXPECT_EQ(number_of_line(events, "kill"), std::nullopt);
}

TEST(KernelText, SumsAreThoseOfTheLinesThatBeginWithTheWord) {
  EXPECT_EQ(sum_of_lines("8:0 rbytes=1 wbytes=2\n8:16 rbytes=3 wbytes=4", " wbytes="), 6U);
  const std::string_view pressure = "some avg10=0.00 total=5\nfull avg10=0.00 total=7\n";
  EXPECT_EQ(sum_of_lines(pressure, " total=", "full"), 7U);
  EXPECT_EQ(sum_of_lines(pressure, " total=", "none"), std::nullopt);
}

}  // namespace
}  // namespace minirun
