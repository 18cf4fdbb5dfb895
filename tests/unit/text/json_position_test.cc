// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/json_position.h"

#include <gtest/gtest.h>

#include <chrono>

#include "runtime/oci/bundle.h"
#include "runtime/text/json.h"

namespace minirun {

// "line:column" of the value, or of its name, at a pointer.
static std::string place_of(std::string_view text, std::string_view pointer, bool of_name = false) {
  auto document = JsonDocument::parse(text);
  EXPECT_TRUE(document.ok()) << document.error().text();
  JsonPosition found = find_positions(text, {{(*document)->nearest(pointer).order(), of_name}}).front();
  return fmt::format("{}:{}", found.line, found.column);
}

TEST(JsonPosition, IsOfTheValueOrItsName) {
  constexpr std::string_view kText = "{\n  \"a\": [1, -2.5e3,\n true, {\"b\" : null}],\n\t\"c\":\"x\"\n}\n";
  EXPECT_EQ(place_of(kText, ""), "1:1");
  EXPECT_EQ(place_of(kText, "/a"), "2:8");
  EXPECT_EQ(place_of(kText, "/a", true), "2:3");
  EXPECT_EQ(place_of(kText, "/a/0"), "2:9");
  EXPECT_EQ(place_of(kText, "/a/1"), "2:12");
  EXPECT_EQ(place_of(kText, "/a/2"), "3:2");
  EXPECT_EQ(place_of(kText, "/a/3/b"), "3:15");
  EXPECT_EQ(place_of(kText, "/a/3/b", true), "3:9");
  EXPECT_EQ(place_of(kText, "/a/3/missing"), "3:8") << "of what should contain it";
  EXPECT_EQ(place_of(kText, "/c"), "4:6");
  EXPECT_EQ(place_of(kText, "/a/2", true), "3:2") << "an element has no name";
}

TEST(JsonPosition, StringsHideBracketsQuotesAndColons) {
  constexpr std::string_view kText = R"({"k\": {[": "a\\", "l": "\"}:{", "m": ["\\\":", 7]})";
  EXPECT_EQ(place_of(kText, "/l"), "1:25");
  EXPECT_EQ(place_of(kText, "/m"), "1:39");
  EXPECT_EQ(place_of(kText, "/m/1"), "1:49");
}

TEST(JsonPosition, HundredThousandFaultsCostOneWalk) {
  std::string text = R"({"ociVersion": "1.0.0", "mounts": [)";
  for (int i = 0; i < 300'000; ++i) text += i == 0 ? "{}" : ",{}";
  text += "]}";
  auto start = std::chrono::steady_clock::now();
  auto bundle = parse_config(text);
  std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  ASSERT_FALSE(bundle.ok());
  EXPECT_LE(bundle.error().details().problems.size(), 500U);
  EXPECT_EQ(bundle.error().details().problems.back().column, 633U);
  EXPECT_LT(taken.count(), 20.0) << "0.7 s on two cores; with a pointer for each fault it was more than two minutes";
}

}  // namespace minirun
