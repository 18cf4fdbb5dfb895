// SPDX-License-Identifier: Apache-2.0
// The page of a container's end: any bytes may be in it.
#include "runtime/container/end_page.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <random>

#include "namespaces/end_page.h"
#include "runtime/text/timestamp.h"
#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

constexpr timespec kNow{1'800'000'000, 500};
const std::string kCreated = rfc3339({1'700'000'000, 0});

EndPage good_page() {
  EndPage page{};
  page.magic = kEndPageMagic;
  page.format = kEndPageFormat;
  page.state = kEndWritten;
  page.wait_status = 3 << 8;
  page.last_signal = SIGTERM;
  page.seconds = 1'750'000'000;
  page.nanoseconds = 123'456'789;
  page.user_seconds = 2;
  page.user_us = 5;
  page.system_us = 7;
  page.max_rss_kib = 4;
  return page;
}

std::optional<OwnEnd> parsed(const EndPage& page) {
  return parse_end_page({reinterpret_cast<const char*>(&page), sizeof page}, kCreated, kNow);
}

TEST(EndPage, SaysWhatTheInitWrote) {
  auto end = parsed(good_page());
  ASSERT_TRUE(end);
  EXPECT_EQ(end->wait_status, 3 << 8);
  EXPECT_EQ(end->last_signal, SIGTERM);
  EXPECT_EQ(end->time, "2025-06-15T15:06:40.123456Z");
  EXPECT_EQ(end->user_us, 2'000'005u);
  EXPECT_EQ(end->system_us, 7u);
  EXPECT_EQ(end->max_rss_bytes, 4096u);
}

TEST(EndPage, SaysNothingBeforeTheEndOrInAnotherFormat) {
  for (auto spoil :
       {+[](EndPage& page) { page.state = 0; }, +[](EndPage& page) { page.state = 2; },
        +[](EndPage& page) { page.format = kEndPageFormat + 1; }, +[](EndPage& page) { page.magic = 0; }}) {
    EndPage page = good_page();
    spoil(page);
    EXPECT_FALSE(parsed(page));
  }
  const EndPage page = good_page();
  EXPECT_FALSE(parse_end_page({reinterpret_cast<const char*>(&page), sizeof page - 1}, kCreated, kNow)) << "cut";
  EXPECT_FALSE(parse_end_page({}, kCreated, kNow));
}

TEST(EndPage, HasNoStatusThatWaitpidCannotGive) {
  EndPage page = good_page();
  for (int32_t status = 0; status <= 0xffff; ++status) {
    page.wait_status = status;
    const bool real =
        WIFEXITED(status) ? (status & 0x80) == 0 : WIFSIGNALED(status) && WTERMSIG(status) <= 64 && (status >> 8) == 0;
    ASSERT_EQ(parsed(page).has_value(), real) << status;
  }
  for (int32_t status : {INT_MIN, -1, 0x10000, INT_MAX}) {
    page.wait_status = status;
    EXPECT_FALSE(parsed(page)) << status;
  }
}

TEST(EndPage, LeavesOutValuesThatCannotBe) {
  EndPage page = good_page();
  page.last_signal = 65;
  EXPECT_EQ(parsed(page)->last_signal, 0);
  for (int64_t seconds : {int64_t{-1}, int64_t{1'600'000'000}, kNow.tv_sec + 1, INT64_MAX, INT64_MIN}) {
    page = good_page();
    page.seconds = seconds;
    EXPECT_EQ(parsed(page)->time, "") << seconds;
  }
  for (int64_t value : {int64_t{-1}, int64_t{1'000'000'000}, INT64_MAX, INT64_MIN}) {
    page = good_page();
    page.nanoseconds = page.user_us = page.system_us = value;
    auto end = parsed(page);
    EXPECT_EQ(end->time, "") << value;
    EXPECT_FALSE(end->user_us) << value;
    EXPECT_FALSE(end->system_us) << value;
  }
  for (int64_t value : {int64_t{-1}, INT64_MAX, INT64_MIN}) {
    page = good_page();
    page.user_seconds = page.max_rss_kib = value;
    EXPECT_FALSE(parsed(page)->user_us) << value;
    EXPECT_FALSE(parsed(page)->max_rss_bytes) << value;
  }
}

// Each value of any bytes is absent or in its range.
TEST(EndPage, OfAnyBytesIsWithinItsRanges) {
  std::mt19937_64 random(7);
  unsigned read = 0;
  for (int i = 0; i < 200'000; ++i) {
    EndPage page = good_page();
    auto* bytes = reinterpret_cast<unsigned char*>(&page);
    const size_t first = offsetof(EndPage, wait_status);
    for (uint64_t n = 1 + random() % 24; n > 0; --n)
      bytes[first + random() % (sizeof page - first)] = static_cast<unsigned char>(random());
    auto end = parsed(page);
    if (!end) continue;
    ++read;
    ASSERT_TRUE(WIFEXITED(end->wait_status) || WIFSIGNALED(end->wait_status));
    ASSERT_TRUE(end->last_signal >= 0 && end->last_signal <= 64);
    ASSERT_TRUE(end->time.empty() || (is_rfc3339(end->time) && end->time > kCreated.substr(0, 19)));
    for (const auto& number : {end->user_us, end->system_us, end->max_rss_bytes})
      ASSERT_LE(number.value_or(0), uint64_t{1} << 53);
  }
  EXPECT_GT(read, 1000u);
}

TEST(EndPage, IsAWholePageOfItsOwnerAlone) {
  TemporaryDirectory directory;
  UniqueFd state(open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(open_end_page(state.get()).error().code, ENOENT);
  auto made = make_end_page(state.get());
  ASSERT_TRUE(made.ok()) << made.error().text();
  struct stat info {};
  ASSERT_EQ(fstat(made->get(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_EQ(info.st_size, static_cast<off_t>(kEndPageBytes));
  EXPECT_GT(info.st_blocks, 0) << "not a hole";
  EXPECT_EQ(make_end_page(state.get()).error().code, EEXIST);
  EXPECT_TRUE(open_end_page(state.get()).ok());
}

}  // namespace
}  // namespace minirun
