// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/signal_name.h"

#include <gtest/gtest.h>

#include <csignal>

namespace minirun {

TEST(SignalName, TakesEverySpellingThatEnginesUse) {
  for (const char* text : {"15", "TERM", "SIGTERM", "term", "SigTerm"}) EXPECT_EQ(*parse_signal(text), SIGTERM) << text;
  EXPECT_EQ(*parse_signal("9"), SIGKILL);
  EXPECT_EQ(*parse_signal("SIGRTMIN+3"), SIGRTMIN + 3);
  EXPECT_EQ(*parse_signal("rtmax-1"), SIGRTMAX - 1);
  EXPECT_EQ(*parse_signal("64"), 64);
  EXPECT_EQ(*parse_signal("IOT"), SIGABRT);
}

TEST(SignalName, RefusesWhatIsNone) {
  for (const char* text : {"", "0", "65", "-1", "TERMX", "SIG", "RTMIN-1", "RTMAX+1", "RTMIN+31", "RTMIN+x", "15 "})
    EXPECT_FALSE(parse_signal(text).ok()) << text;
}

}  // namespace minirun
