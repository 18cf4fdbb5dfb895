// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/json_edit.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>

namespace minirun {
namespace {

JsonEdit parsed_edit(std::string_view text) {
  auto edit = JsonEdit::parse(text);
  EXPECT_TRUE(edit.ok()) << (edit.ok() ? "" : edit.error().text());
  return edit.ok() ? std::move(edit).value() : JsonEdit::parse("{}").value();
}

std::string edited(std::string_view text, const std::function<Result<void>(JsonEdit&)>& change) {
  JsonEdit edit = parsed_edit(text);
  auto done = change(edit);
  return done.ok() ? edit.text() : done.error().text();
}

std::string with_value(std::string_view text, const char* pointer, const char* value) {
  return edited(text, [&](JsonEdit& edit) { return edit.set(pointer, value); });
}

TEST(JsonEdit, KeepsWhatItDoesNotTouchByteForByte) {
  constexpr std::string_view kText =
      "\xEF\xBB\xBF \r\n{ \"b\" :\t[1.10, 1e300,-0, 18446744073709551617 , 0.1000000000000000055511151231257827],\r\n"
      "\"a\\u0062\": \"\\u00e9\\/ \xC3\xA9\", \"c\"  : { }, \"d\": {\"e\" : [ ] , \"f\": null}}  \n\n";
  JsonEdit edit = parsed_edit(kText);
  EXPECT_EQ(edit.text(), kText);
  // Looking is no change, and neither is an equal value.
  EXPECT_EQ(edit.size("/b"), 5U);
  EXPECT_EQ(edit.string("/ab"), "\xC3\xA9/ \xC3\xA9");
  EXPECT_EQ(edit.get("/d/f"), "null");
  EXPECT_TRUE(edit.set("/d", R"({"e":[],"f":null})").ok());
  EXPECT_TRUE(edit.remove("/d/nothing").ok() && edit.remove("/x/y").ok());
  EXPECT_EQ(edit.text(), kText);
}

TEST(JsonEdit, ChangesOnlyThePartAndKeepsNumbersBesideIt) {
  EXPECT_EQ(with_value("{\n  \"a\": 1e300,\n  \"b\": {\"c\":1.50,  \"d\": 2},\n  \"e\": [ 1,2 ]\n}\n", "/b/d", "7"),
            "{\n  \"a\": 1e300,\n  \"b\": {\"c\":1.50,  \"d\": 7},\n  \"e\": [ 1,2 ]\n}\n");
}

TEST(JsonEdit, KeepsTheLayoutAroundAChange) {
  constexpr std::string_view kOdd = "{ \"a\" :[ 1,\t2\n ,3 ] ,\n\"b\":\"x\"\n\n}";
  auto odd = [&](const std::function<Result<void>(JsonEdit&)>& change) { return edited(kOdd, change); };
  EXPECT_EQ(odd([](JsonEdit& e) { return e.set("/b", "2"); }), "{ \"a\" :[ 1,\t2\n ,3 ] ,\n\"b\":2\n\n}");
  EXPECT_EQ(odd([](JsonEdit& e) { return e.set("/a/1", "9"); }), "{ \"a\" :[ 1,\t9\n ,3 ] ,\n\"b\":\"x\"\n\n}");
  EXPECT_EQ(odd([](JsonEdit& e) { return e.remove("/a/2"); }), "{ \"a\" :[ 1,\t2\n  ] ,\n\"b\":\"x\"\n\n}");
  EXPECT_EQ(edited("{\"a\": [ 1, 2 ]}", [](JsonEdit& e) { return e.remove("/a/0"); }), "{\"a\": [ 2 ]}");
  EXPECT_EQ(edited("{\"a\": [ 1, 2 ]}", [](JsonEdit& e) { return e.insert("/a", 0, "0"); }), "{\"a\": [ 0, 1, 2 ]}");
  EXPECT_EQ(edited("{\"a\": [ 1 ]}", [](JsonEdit& e) { return e.append("/a", "2"); }), "{\"a\": [ 1, 2 ]}");
}

TEST(JsonEdit, WritesInTheStyleOfTheText) {
  EXPECT_EQ(with_value("{\n\t\"a\": 1\n}", "/b/c", R"(["x",{}])"),
            "{\n\t\"a\": 1,\n\t\"b\": {\n\t\t\"c\": [\n\t\t\t\"x\",\n\t\t\t{}\n\t\t]\n\t}\n}");
  EXPECT_EQ(with_value("{\r\n    \"a\":1\r\n}\r\n", "/b", "[2]"),
            "{\r\n    \"a\":1,\r\n    \"b\":[\r\n        2\r\n    ]\r\n}\r\n");
  EXPECT_EQ(with_value(R"({"a":1})", "/b", R"({"c": [1, 2]})"), R"({"a":1,"b":{"c":[1,2]}})");
  EXPECT_EQ(with_value(R"({"a": 1})", "/b", R"({"c":[1,2]})"), R"({"a": 1, "b": {"c": [1, 2]}})");
  EXPECT_EQ(with_value("{}\n", "/b", "1"), "{\n  \"b\": 1\n}\n");
}

TEST(JsonEdit, PutsElementsWhereTheyBelong) {
  auto list = [](const std::function<Result<void>(JsonEdit&)>& change) { return edited(R"({"a":["x","y"]})", change); };
  EXPECT_EQ(list([](JsonEdit& e) { return e.insert("/a", 1, "1"); }), R"({"a":["x",1,"y"]})");
  EXPECT_EQ(list([](JsonEdit& e) { return e.append("/a", "1"); }), R"({"a":["x","y",1]})");
  EXPECT_EQ(list([](JsonEdit& e) { return e.remove("/a/0"); }), R"({"a":["y"]})");
  EXPECT_EQ(list([](JsonEdit& e) { return e.set("/a/1", "{}"); }), R"({"a":["x",{}]})");
  EXPECT_EQ(list([](JsonEdit& e) { return e.append("/new/list", "1"); }), R"({"a":["x","y"],"new":{"list":[1]}})");
  EXPECT_EQ(edited(R"({"a":null,"b":null})", [](JsonEdit& e) { return e.append("/a", "1"); }), R"({"a":[1],"b":null})");
  EXPECT_EQ(with_value(R"({"a":null})", "/a/b", "1"), R"({"a":{"b":1}})") << "null counts as missing";
}

TEST(JsonEdit, SurvivesAMove) {
  auto first = std::make_unique<JsonEdit>(parsed_edit("{\n  \"a\": 1\n}"));
  EXPECT_TRUE(first->set("/b", R"({"c":[2]})").ok());
  JsonEdit second = std::move(*first);
  first.reset();
  EXPECT_TRUE(second.set("/d", "3").ok());
  EXPECT_EQ(second.text(), "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": [\n      2\n    ]\n  },\n  \"d\": 3\n}");
}

TEST(JsonEdit, SaysWhatIsInTheWay) {
  EXPECT_EQ(with_value(R"({"a":{"b":12}})", "/a/b/c", "1"), "/a/b: must be an object: found 12");
  EXPECT_EQ(with_value(R"({"a":[1]})", "/a/1", "1"), "/a/1: must be an element of the array: found null");
  EXPECT_EQ(with_value(R"({"a":[1]})", "/a/x/y", "1"), "/a: must be an object: found an array of 1");
  EXPECT_EQ(edited(R"({"a":{}})", [](JsonEdit& e) { return e.append("/a", "1"); }),
            "/a: must be an array: found an empty object");
}

TEST(JsonEdit, RefusesWhatIsNoObjectOrAmbiguous) {
  auto refused = [](const std::string& text) {
    auto edit = JsonEdit::parse(text);
    return edit.ok() ? "accepted" : edit.error().text();
  };
  EXPECT_EQ(refused("[]"), "1:1: must be an object: found an empty array");
  EXPECT_EQ(refused(R"({"a":{"b":1,"\u0062":2}})"), "/a/b: must appear only once in its object");
  EXPECT_EQ(refused("{\n\"a\": }").substr(0, 4), "2:6:");
  EXPECT_EQ(refused(std::string("{\"a\":\0}", 7)).substr(0, 4), "1:6:");
  EXPECT_EQ(refused("{\"a\":\"\xFF\"}").substr(0, 4), "1:7:");
  EXPECT_NE(refused(std::string(200, '[')).find("nested more than 128 deep"), std::string::npos);
  EXPECT_NE(refused(""), "accepted");
}

TEST(JsonEdit, KnowsWhereAValueWasAndWhoMadeIt) {
  JsonEdit edit = parsed_edit(R"({"a":["x","y","z"],"k~/ey":{"b":1}})");
  edit.label("--first");
  EXPECT_TRUE(edit.remove("/a/0").ok() && edit.append("/a", R"({"n":[1]})").ok());
  edit.label("--second");
  EXPECT_TRUE(edit.set("/a/0", "1").ok());
  EXPECT_EQ(edit.original("/a/1"), "/a/2");
  EXPECT_EQ(edit.original("/a/0"), std::nullopt);
  EXPECT_EQ(edit.original("/a/2/n/0"), std::nullopt);
  EXPECT_EQ(edit.original("/k~0~1ey/missing/part"), "/k~0~1ey/missing/part");
  EXPECT_EQ(edit.label_of("/a/0"), "--second");
  EXPECT_EQ(edit.label_of("/a/2/n/0"), "--first");
  EXPECT_EQ(edit.label_of("/a/1"), "");
}

// A random value with random white space, and what a member or element of it is called.
class RandomJson {
 public:
  explicit RandomJson(unsigned seed) : random_(seed) {}
  size_t below(size_t count) { return random_() % count; }
  std::string space() {
    static constexpr const char* kSpaces[] = {"", "", " ", "\n", "\r\n\t", "  "};
    return kSpaces[below(std::size(kSpaces))];
  }
  std::string value(int depth) {
    static constexpr const char* kPlain[] = {
        "0", "-1.50e3", "true", "null", R"("a\u0041\"]},:")", "18446744073709551615"};
    const size_t kind = depth == 0 ? 2 : below(4);
    if (kind >= 2) return kPlain[below(std::size(kPlain))];
    std::string text = kind == 0 ? "{" : "[";
    for (size_t i = 0, count = below(4); i < count; ++i) {
      text += (i > 0 ? "," : "") + space();
      if (kind == 0) text += "\"k" + std::to_string(i) + "\"" + space() + ":" + space();
      text += value(depth - 1) + space();
    }
    return text + space() + (kind == 0 ? "}" : "]");
  }

 private:
  std::mt19937 random_;
};

TEST(JsonEdit, GivesWhatTheSameChangeOfATreeGives) {
  using Tree = nlohmann::ordered_json;
  int changes = 0;
  for (unsigned seed = 1; seed <= 400; ++seed) {
    RandomJson random(seed);
    const std::string text = random.space() + "{\"k0\"" + random.space() + ":" + random.value(3) +
                             ",\"k1\":" + random.value(3) + random.space() + "}" + random.space();
    JsonEdit edit = parsed_edit(text);
    Tree tree = Tree::parse(text);
    for (int round = 0; round < 6; ++round) {
      std::string pointer;
      Tree* at = &tree;
      do {
        std::string token = at->is_array() ? std::to_string(random.below(4)) : "k" + std::to_string(random.below(4));
        pointer += "/" + token;
        bool there = at->is_array() ? std::stoul(token) < at->size() : at->contains(token);
        if (!there) break;
        at = at->is_array() ? &(*at)[std::stoul(token)] : &(*at)[token];
      } while (at->is_structured() && random.below(2) == 0);
      const std::string value = random.value(2);
      const Tree::json_pointer place(pointer);
      const bool in_array = tree[place.parent_pointer()].is_array(), there = tree.contains(place);
      if (random.below(3) == 0) {
        EXPECT_TRUE(edit.remove(pointer).ok());
        Tree& parent = tree[place.parent_pointer()];
        if (there && in_array) parent.erase(std::stoul(place.back()));
        if (there && !in_array) parent.erase(place.back());
      } else if (in_array && random.below(2) == 0) {
        Tree& parent = tree[place.parent_pointer()];
        size_t index = std::min<size_t>(std::stoul(place.back()), parent.size());
        EXPECT_TRUE(edit.insert(place.parent_pointer().to_string(), index, value).ok());
        parent.insert(parent.begin() + static_cast<ptrdiff_t>(index), Tree::parse(value));
      } else if (there || !in_array) {
        EXPECT_TRUE(edit.set(pointer, value).ok()) << pointer;
        tree[place] = Tree::parse(value);
      }
      ++changes;
      ASSERT_EQ(Tree::parse(edit.text(), nullptr, false).dump(), tree.dump()) << seed << ": " << text << "\n"
                                                                              << pointer;
    }
  }
  EXPECT_EQ(changes, 2400);
}

TEST(JsonEdit, GoesAsDeepAsADocumentMay) {
  std::string text;
  for (int i = 0; i < 127; ++i) text += R"({"a":)";
  text += "{}" + std::string(127, '}');
  std::string pointer;
  for (int i = 0; i < 127; ++i) pointer += "/a";
  JsonEdit edit = parsed_edit(text);
  EXPECT_TRUE(edit.set(pointer + "/b", "1").ok());
  EXPECT_EQ(edit.get(pointer), R"({"b":1})");
  EXPECT_TRUE(JsonEdit::parse(edit.text()).ok());
}

}  // namespace
}  // namespace minirun
