// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/json_writer.h"

#include <gtest/gtest.h>

#include "runtime/text/json.h"

namespace minirun {

static std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonWriter, PutsCommasAndNests) {
  JsonWriter json;
  json.begin_object().key("a").number(-1).key("b").begin_array().string("x").boolean(true).null().end_array();
  json.key("c").begin_object().end_object().key("d").unsigned_number(UINT64_MAX).end_object();
  EXPECT_EQ(json.text(), R"({"a":-1,"b":["x",true,null],"c":{},"d":18446744073709551615})");
}

TEST(JsonWriter, IndentsOnRequest) {
  JsonWriter json(2);
  json.begin_object().key("a").begin_array().number(1).number(2).end_array().key("b").begin_array().end_array();
  json.end_object();
  EXPECT_EQ(json.text(), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": []\n}");
}

TEST(JsonWriter, EscapesWhatMustNotStandInAString) {
  EXPECT_EQ(as_json("a\"b\\c\n\r\t\x01\x7F/é"), R"("a\"b\\c\n\r\t\u0001\u007f/é")");
  EXPECT_EQ(as_json("\xC2\x9B"), R"("\u009b")") << "some terminals obey these as they do ESC [";
  EXPECT_EQ(as_json(std::string_view("\0", 1)), R"("\u0000")");
}

TEST(JsonWriter, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(as_json("a\xFF!"), "\"a\xEF\xBF\xBD!\"");
  for (const char* bad :
       {"\xC3", "\xC0\xAF", "\xE2\x82", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF0\x80\x80\x80", "\x80"})
    EXPECT_TRUE(JsonDocument::parse(as_json(bad)).ok()) << bad;
  for (const char* good : {"\xC2\xA0", "\xE2\x82\xAC", "\xED\x9F\xBF", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_EQ(as_json(good), '"' + std::string(good) + '"');
}

TEST(JsonWriter, DecimalsAreWhatTheyWereOrNull) {
  JsonWriter json;
  json.begin_array();
  for (const char* digits : {"0.00", "12.5", "7", "0", "", ".5", "5.", "01", "1e3", "-1", "1,2"}) json.decimal(digits);
  json.end_array();
  EXPECT_EQ(json.text(), "[0.00,12.5,7,0,null,null,null,null,null,null,null]");
}

TEST(JsonWriter, EveryByteComesOutAsValidJson) {
  for (int first = 0; first < 256; ++first)
    for (int second = 0; second < 256; ++second) {
      std::string text = {static_cast<char>(first), static_cast<char>(second)};
      ASSERT_TRUE(JsonDocument::parse(as_json(text)).ok()) << first << " " << second;
    }
}

TEST(JsonWriter, WhatIsNotKnownIsNoMember) {
  JsonWriter json;
  json.begin_object()
      .known("no", "")
      .known("text", "x")
      .known("none", std::nullopt)
      .known("zero", std::optional<uint64_t>(0));
  json.end_object();
  EXPECT_EQ(json.take(), R"({"text":"x","zero":0})");
}

}  // namespace minirun
