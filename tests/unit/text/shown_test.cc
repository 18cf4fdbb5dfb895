// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/shown.h"

#include <gtest/gtest.h>

namespace minirun {

TEST(Shown, NothingThatATerminalObeysIsLeft) {
  EXPECT_EQ(shown_line("plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(shown_line("a\x1b[2J\x7f"), "a\\x1b[2J\\x7f");
  EXPECT_EQ(shown_line("\xc2\x9b"
                       "2J\xc2\x80\xc2\x9f\xc2\xa0"),
            "\\xc2\\x9b2J\\xc2\\x80\\xc2\\x9f\xc2\xa0");
  EXPECT_EQ(shown_line("\x9b"
                       "2J"),
            "\\x9b2J");
  EXPECT_EQ(shown_line(std::string_view("\0", 1)), "\\x00");
}

TEST(Shown, BrokenSequencesAreShownByteByByte) {
  EXPECT_EQ(shown_line("\xc2"), "\\xc2");
  EXPECT_EQ(shown_line("\xe2\x9b"), "\\xe2\\x9b");
  EXPECT_EQ(shown_line("\xc0\x9b!"), "\\xc0\\x9b!") << "overlong";
  EXPECT_EQ(shown_line("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
}

TEST(Shown, LinesStayWhereLinesAreWanted) {
  EXPECT_EQ(shown_lines("a\tb\nc\r"), "a\tb\nc\\x0d");
  EXPECT_EQ(shown_line("a\tb\nc\r"), "a\\x09b\\x0ac\\x0d");
}

// Each byte alone, and each pair of bytes: what comes out is printed as it is.
TEST(Shown, OnceIsEnough) {
  for (unsigned first = 0; first < 256; ++first)
    for (unsigned second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second)};
      const std::string shown = shown_line(text);
      ASSERT_EQ(shown_line(shown), shown) << first << " " << second;
      for (std::string_view rest = shown; !rest.empty(); rest.remove_prefix(printed_length(rest)))
        ASSERT_GT(printed_length(rest), 0U) << first << " " << second;
    }
}

}  // namespace minirun
