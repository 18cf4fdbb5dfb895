// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/deadline_options.h"

#include <gtest/gtest.h>

namespace minirun {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(DeadlineOptions, AreReadAsTheyAreGiven) {
  auto none = read_deadline({});
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->any());
  auto before = Deadline::Clock::now();
  auto all = read_deadline({"1m30s", "500ms", "0"});
  ASSERT_TRUE(all.ok()) << all.error().text();
  EXPECT_GE(*all->end, before + seconds(90));
  EXPECT_LE(*all->end, Deadline::Clock::now() + seconds(90));
  EXPECT_EQ(*all->cpu_time, milliseconds(500));
  EXPECT_EQ(all->grace, seconds(0));
  EXPECT_EQ(read_deadline({"1s", {}, {}})->grace, seconds(10));
  // As long as a span can be, beyond the end of the clock.
  auto longest = read_deadline({"2562047h", "2562047h", "2562047h"});
  ASSERT_TRUE(longest.ok());
  EXPECT_GT(*longest->end, before + std::chrono::hours(24 * 365));
}

TEST(DeadlineOptions, OfNoTimeOrWithoutOneAreUsage) {
  for (const DeadlineOptions& bad : {DeadlineOptions{"0", {}, {}},
                                     {"0ms", {}, {}},
                                     {"-1s", {}, {}},
                                     {"5", {}, {}},
                                     {"", {}, {}},
                                     {"9999999999h", {}, {}},
                                     {{}, "0", {}},
                                     {{}, "1x", {}},
                                     {"1s", {}, "-1s"},
                                     {"1s", {}, "x"},
                                     {{}, {}, "1s"}}) {
    auto read = read_deadline(bad);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().kind, ErrorKind::usage) << read.error().text();
    EXPECT_EQ(read.error().text().substr(0, 2), "--") << read.error().text();
  }
}

TEST(DeadlineOptions, EveryEndHasItsWords) {
  Ended ended;
  EXPECT_EQ(describe_limit({"5s", {}, {}}, ended), "");
  EXPECT_STREQ(cause_of(ended.limit), "");
  ended.limit = TimeLimit::timeout;
  EXPECT_EQ(describe_limit({"5s", {}, {}}, ended),
            "timed out after 5s (--timeout); ended within 10s of its stop signal");
  ended.killed_for_it = true;
  EXPECT_EQ(describe_limit({"5s", {}, "1s"}, ended),
            "timed out after 5s (--timeout); killed, as it did not end within 1s of its stop signal");
  EXPECT_EQ(describe_limit({"5s", {}, "0s"}, ended), "timed out after 5s (--timeout); killed");
  EXPECT_STREQ(cause_of(ended.limit), "timeout");
  ended.limit = TimeLimit::cpu_time;
  EXPECT_EQ(describe_limit({{}, "2s", "0"}, ended), "has used 2s of CPU time (--cpu-time); killed");
  EXPECT_STREQ(cause_of(ended.limit), "cpu-time");
}

}  // namespace
}  // namespace minirun
