// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/byte_size.h"

#include <gtest/gtest.h>

namespace minirun {
namespace {

TEST(ParseByteSize, TakesBytesAndSuffixesAsRunc) {
  const std::pair<const char*, int64_t> good[] = {
      {"0", 0},          {"-1", -1},        {"4096", 4096},      {"1k", 1024},  {"32m", 32 << 20},
      {"32M", 32 << 20}, {"1g", 1 << 30},   {"1.5g", 3LL << 29}, {"2kb", 2048}, {"2KiB", 2048},
      {"3b", 3},         {"1t", 1LL << 40}, {"2p", 2LL << 50},   {"0.5k", 512}, {"9223372036854775807", INT64_MAX},
  };
  for (auto [text, bytes] : good) {
    auto parsed = parse_byte_size(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.error().text();
    EXPECT_EQ(*parsed, bytes) << text;
  }
}

TEST(ParseByteSize, RefusesAllElse) {
  for (const char* text : {"", "k", "-2", "-1k", "5q", "5 m", "5mm", "5bb", "1e3", "0x10", "9223372036854775808",
                           "99999999p", " 5", "5m ", "max"}) {
    auto parsed = parse_byte_size(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_NE(parsed.error().text().find("is not a size"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace minirun
