// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/json_copy.h"

#include <gtest/gtest.h>

namespace minirun {
namespace {

std::string copied(std::string_view text, const JsonReplacements& replacements = {}) {
  auto document = JsonDocument::parse(text);
  EXPECT_TRUE(document.ok());
  JsonWriter json;
  copy_json(json, (*document)->root(), replacements);
  return json.take();
}

JsonReplacements at(const std::string& pointer, int64_t number) {
  return {{pointer, [number](JsonWriter& json) { json.number(number); }}};
}

TEST(JsonCopy, KeepsEverything) {
  constexpr std::string_view kText =
      R"({"a":[1,-2,18446744073709551615,1.5,true,false,null,"x\ny",{},[]],"b":{"c":{"d":"e"}},"unknown~/key":1})";
  EXPECT_EQ(copied(kText), kText);
}

TEST(JsonCopy, ChangesWhatAPointerNames) {
  EXPECT_EQ(copied(R"({"a":{"b":1,"c":2},"d":[3,4]})", at("/a/b", 9)), R"({"a":{"b":9,"c":2},"d":[3,4]})");
  EXPECT_EQ(copied(R"({"a":{"b":1},"d":[3,4]})", at("/d/1", 9)), R"({"a":{"b":1},"d":[3,9]})");
  EXPECT_EQ(copied(R"({"a":{"b":1}})", at("/a", 9)), R"({"a":9})");
  EXPECT_EQ(copied(R"({"a":1})", at("", 9)), "9");
}

TEST(JsonCopy, AddsAMemberThatIsMissing) {
  EXPECT_EQ(copied(R"({"a":{"b":1}})", at("/a/c", 9)), R"({"a":{"b":1,"c":9}})");
  EXPECT_EQ(copied(R"({"a":{}})", at("/z", 9)), R"({"a":{},"z":9})");
  EXPECT_EQ(copied(R"({"a":{}})", at("/x/y", 9)), R"({"a":{}})") << "its parent is missing";
  EXPECT_EQ(copied(R"({"ab":{},"a":{}})", at("/a/c", 9)), R"({"ab":{},"a":{"c":9}})");
}

}  // namespace
}  // namespace minirun
