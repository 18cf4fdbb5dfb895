// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/json.h"

#include <gtest/gtest.h>

namespace minirun {

static std::string error_of(std::string_view text) {
  auto document = JsonDocument::parse(text);
  return document.ok() ? "" : document.error().message;
}

TEST(Json, KeepsIntegersExactlyAndTellsThemFromDecimals) {
  auto document =
      JsonDocument::parse("[18446744073709551615, -9223372036854775808, 18446744073709551616, 1.0, 1e3, -0]");
  ASSERT_TRUE(document.ok());
  auto value = (*document)->root().first();
  EXPECT_EQ(value->uint64(), UINT64_MAX);
  EXPECT_EQ(value->int64(), std::nullopt);
  value = value->next();
  EXPECT_EQ(value->int64(), INT64_MIN);
  EXPECT_EQ(value->uint64(), std::nullopt);
  for (std::string_view written : {"18446744073709551616", "1.0", "1e3"}) {
    value = value->next();
    EXPECT_EQ(value->type(), JsonType::decimal);
    EXPECT_EQ(value->describe(), written);
    EXPECT_FALSE(value->int64() || value->uint64());
  }
  EXPECT_EQ(value->next()->int64(), 0);
}

TEST(Json, EveryValueKnowsItsPointer) {
  auto document = JsonDocument::parse(R"({"a/b": [1, {"c~d": null}], "": {"e\nf": 2}, "\u009b": 3})");
  ASSERT_TRUE(document.ok());
  JsonValue root = (*document)->root();
  EXPECT_EQ(root.pointer(), "");
  EXPECT_EQ(root.find("a/b")->first()->next()->find("c~d")->pointer(), "/a~1b/1/c~0d");
  EXPECT_EQ(root.find("")->find("e\nf")->pointer(), "//e\\u000af");
  for (const char* pointer : {"", "/a~1b/1/c~0d", "//e\\u000af", "/\\u009b"})
    EXPECT_EQ((*document)->nearest(pointer).pointer(), pointer);
  EXPECT_EQ((*document)->nearest("/a~1b/7/x").pointer(), "/a~1b");
}

TEST(Json, DecodesStringsAndDescribesThemShortAndPrintable) {
  auto document = JsonDocument::parse(R"(["a\u00e9\ud83d\ude00\t", "\u001b[2J"])");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ((*document)->root().first()->text(), "a\xC3\xA9\xF0\x9F\x98\x80\t");
  EXPECT_EQ((*document)->root().first()->next()->describe(), R"("\u001b[2J")");
  EXPECT_EQ(quoted(std::string(200, 'x'), 3), "\"xxx\"…");
  EXPECT_EQ(quoted("ab\xC3\xA9", 3), "\"ab\"…") << "never half a character";
}

TEST(Json, RefusesWhatIsNotJsonWithLineAndColumn) {
  EXPECT_EQ(error_of(""), "1:1: no JSON in here: empty");
  EXPECT_EQ(error_of(" \n"), "1:1: no JSON in here: empty");
  EXPECT_EQ(error_of("{\n  \"a\": 1,\n}").substr(0, 5), "3:1: ");
  EXPECT_EQ(error_of("{} x").substr(0, 5), "1:4: ") << "garbage at the end";
  EXPECT_EQ(error_of("[1]]").substr(0, 5), "1:4: ");
  EXPECT_EQ(error_of("{\"a\": 01}").substr(0, 5), "1:8: ");
  EXPECT_EQ(error_of("[1e999]"), "1:6: number out of range");
  EXPECT_EQ(error_of("{\"a\": \"b").substr(0, 5), "1:9: ") << "cut off in a string";
  EXPECT_NE(error_of("// x\n{}"), "") << "no comments";
}

TEST(Json, ErrorsAreShortWhateverTheToken) {
  EXPECT_LT(error_of("[" + std::string(1 << 20, 'x') + "]").size(), 200u);
  EXPECT_LT(error_of("\"" + std::string(1 << 20, 'x') + "\n\"").size(), 200u);
}

// The library shows the last token, which may hold what its message is taken apart by.
TEST(Json, ErrorsHoldNothingOfTheToken) {
  EXPECT_EQ(error_of("{\"'; expected \x7Fion\":i"), "1:21: syntax error while parsing value - invalid literal");
  EXPECT_EQ(error_of("{\"; last read: '\":i"), "1:19: syntax error while parsing value - invalid literal");
  EXPECT_EQ(error_of("{\"out_of_range\":i"), "1:17: syntax error while parsing value - invalid literal");
}

TEST(Json, RefusesInvalidUtf8AndLoneSurrogates) {
  EXPECT_EQ(error_of("[\"\xFF\"]"), "1:3: syntax error while parsing value - invalid string: ill-formed UTF-8 byte");
  EXPECT_NE(error_of("[\"\xC0\xAF\"]"), "") << "overlong";
  EXPECT_NE(error_of("[\"\xED\xA0\x80\"]"), "") << "a surrogate in UTF-8";
  EXPECT_NE(error_of(R"(["\ud800"])"), "");
  EXPECT_NE(error_of(R"(["\udc00x"])"), "");
}

TEST(Json, RefusesNulBytesAlsoBehindTheEnd) {
  EXPECT_EQ(error_of(std::string_view("{\n\0}", 4)), "2:1: NUL byte");
  EXPECT_EQ(error_of(std::string_view("{}\0{", 4)), "1:3: NUL byte");
}

TEST(Json, RefusesDepthBeyondTheLimitWhateverItIs) {
  EXPECT_EQ(error_of(std::string(128, '[') + std::string(128, ']')), "");
  EXPECT_EQ(error_of(std::string(129, '[') + std::string(129, ']')), "1:129: nested more than 128 deep");
  EXPECT_EQ(error_of(std::string(100'000, '[')), "1:129: nested more than 128 deep");
  EXPECT_EQ(error_of("[\"\\\"[[{\"," + std::string(100'000, '[')), "1:137: nested more than 128 deep");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_EQ(error_of(objects), "1:641: nested more than 128 deep");
}

TEST(Json, RefusesTooManyValuesAndTooManyBytes) {
  std::string many = "[0";
  for (size_t i = 0; i < kMaxJsonValues; ++i) many += ",0";
  EXPECT_EQ(error_of(many + "]"), "1:1: more than 1000000 values");
  EXPECT_EQ(error_of("\"" + std::string(kMaxJsonBytes, 'x') + "\""), "1:1: more than 16777216 bytes");
}

TEST(Json, ListsDuplicateKeysAndNulInStrings) {
  auto document = JsonDocument::parse(R"({"a": 1, "b": {"c": 1, "c": 2}, "a": "x\u0000y", "d\u0000": 1})");
  ASSERT_TRUE(document.ok());
  std::vector<std::string> found;
  for (const JsonFlaw& flaw : (*document)->flaws())
    found.push_back(std::to_string(static_cast<int>(flaw.kind)) + flaw.value.pointer());
  EXPECT_EQ(found, (std::vector<std::string>{"0/b/c", "1/a", "2/d\\u0000", "0/a"}));
}

TEST(Json, FindsDuplicatesAmongManyKeysToo) {
  std::string text = "{";
  for (int i = 0; i < 1000; ++i) text += "\"key" + std::to_string(i) + "\":0,";
  auto document = JsonDocument::parse(text + "\"key500\":1}");
  ASSERT_TRUE(document.ok());
  ASSERT_EQ((*document)->flaws().size(), 1u);
  EXPECT_EQ((*document)->flaws()[0].value.int64(), 1) << "the later one";
}

}  // namespace minirun
