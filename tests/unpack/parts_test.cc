// SPDX-License-Identifier: Apache-2.0
// The parts that only read: digests, names of entries, platforms, users.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unpack/image_maker.h"
#include "unpack/digest.h"
#include "unpack/entry_path.h"
#include "unpack/own_namespace.h"
#include "unpack/platform.h"
#include "unpack/users.h"

namespace minirun::unpack {
namespace {

class TextStream final : public Stream {
 public:
  explicit TextStream(std::string_view text) : text_(text) {}
  Result<std::string_view> next() override { return std::exchange(text_, {}); }

 private:
  std::string_view text_;
};

std::string read_checked(std::string_view text, const std::string& digest, std::optional<uint64_t> size) {
  TextStream inner(text);
  CheckedStream checked(inner, "blob", *parse_digest(digest), size);
  while (true) {
    auto block = checked.next();
    if (!block.ok()) return block.error().text();
    if (block->empty()) return "good";
  }
}

// FIPS 180-2, appendix B.1 and C.1.
const std::string kAbc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const std::string kAbc512 =
    "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
    "454d4423643ce80e2a9ac94fa54ca49f";

TEST(Digest, BytesAreHeldAgainstIt) {
  EXPECT_EQ(read_checked("abc", kAbc, 3), "good");
  EXPECT_EQ(read_checked("abc", kAbc512, std::nullopt), "good");
  EXPECT_NE(read_checked("abd", kAbc, 3).find("must have the digest sha256:ba78"), std::string::npos);
  EXPECT_NE(read_checked("abd", kAbc512, 3).find("must have the digest sha512:ddaf"), std::string::npos);
  EXPECT_EQ(read_checked("abc", kAbc, 2), "blob: must have 2 bytes, as its descriptor says: it has more");
  EXPECT_EQ(read_checked("abc", kAbc, 4), "blob: must have 4 bytes, as its descriptor says: found 3");
}

TEST(Digest, OnlyTheTwoHashesAreTaken) {
  EXPECT_TRUE(parse_digest(kAbc).ok());
  EXPECT_EQ(blob_path(*parse_digest(kAbc512)).substr(0, 11), "sha512/ddaf");
  for (std::string bad :
       {std::string("md5:d41d8cd98f00b204e9800998ecf8427e"), kAbc + "0", kAbc.substr(0, 70), kAbc512.substr(0, 71),
        std::string("sha256:../../../../etc/passwd"), "sha256:BA" + kAbc.substr(9), std::string()})
    EXPECT_FALSE(parse_digest(bad).ok()) << bad;
}

std::string path_text(std::string_view path) {
  auto found = parse_entry_path(path);
  if (!found.ok()) return "refused";
  constexpr const char* kKinds[] = {"plain", "root", "whiteout", "opaque", "ignored"};
  return fmt::format("{} [{}] [{}]", kKinds[static_cast<int>(found->kind)], found->parent, found->name);
}

TEST(EntryPath, IsAParentAndAName) {
  EXPECT_EQ(path_text("a"), "plain [] [a]");
  EXPECT_EQ(path_text("./a/b//c/"), "plain [a/b] [c]");
  EXPECT_EQ(path_text("/etc/passwd"), "plain [etc] [passwd]");
  EXPECT_EQ(path_text("a/./b"), "plain [a] [b]");
  EXPECT_EQ(path_text("./"), "root [] []");
  EXPECT_EQ(path_text("/"), "root [] []");
  EXPECT_EQ(path_text("..a/b.."), "plain [..a] [b..]");
}

TEST(EntryPath, WhiteoutsNameWhatTheyAreFor) {
  EXPECT_EQ(path_text("a/.wh.b"), "whiteout [a] [b]");
  EXPECT_EQ(path_text(".wh.b"), "whiteout [] [b]");
  EXPECT_EQ(path_text("a/.wh..wh..opq"), "opaque [a] []");
  EXPECT_EQ(path_text(".wh..wh..opq"), "opaque [] []");
  EXPECT_EQ(path_text(".wh..wh.plnk/12.34"), "ignored [] []");
  EXPECT_EQ(path_text("a/.wh..wh.aufs"), "ignored [] []");
  EXPECT_EQ(path_text("a/.wh.b.wh.c"), "whiteout [a] [b.wh.c]");
}

TEST(EntryPath, WhatLeadsElsewhereIsRefused) {
  for (const char* bad :
       {"..", "../a", "a/../b", "a/..", "/../a", "a/.wh.", ".wh..", ".wh...", "a/.wh../b", "a/.wh.b/c"})
    EXPECT_EQ(path_text(bad), "refused") << bad;
  EXPECT_EQ(path_text(std::string(256, 'a')), "refused");
  EXPECT_EQ(path_text(std::string(5000, '/') + "a"), "refused");
}

TEST(Platform, IsTakenApart) {
  EXPECT_EQ(parse_platform("linux/x86_64")->text(), "linux/amd64");
  EXPECT_EQ(parse_platform("linux/arm/v7")->text(), "linux/arm/v7");
  for (const char* bad : {"", "linux", "linux/", "/amd64", "linux/arm/", "a/b/c/d"})
    EXPECT_FALSE(parse_platform(bad).ok()) << bad;
}

TEST(Platform, TheClosestVariantIsChosen) {
  std::vector<Platform> offered = {{"windows", "amd64", ""},
                                   {"linux", "arm", "v6"},
                                   {"linux", "arm", "v7"},
                                   {"linux", "amd64", "v3"},
                                   {"linux", "amd64", ""}};
  EXPECT_EQ(choose_platform({"linux", "amd64", ""}, offered), 4u);
  EXPECT_EQ(choose_platform({"linux", "amd64", "v3"}, offered), 3u);
  EXPECT_EQ(choose_platform({"linux", "amd64", "v2"}, offered), 4u);
  EXPECT_EQ(choose_platform({"linux", "arm", "v7"}, offered), 2u);
  EXPECT_EQ(choose_platform({"linux", "arm", ""}, offered), 1u);
  EXPECT_EQ(choose_platform({"linux", "arm", "v8"}, offered), std::nullopt);
  EXPECT_EQ(choose_platform({"linux", "s390x", ""}, offered), std::nullopt);
}

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\nbroken "
    "line\nweb:x:33:34:w:/srv:/bin/sh\n1000:x:5:6::/:\nbad:x:-1:0::/:\nhuge:x:4294967295:0::/:\n";
constexpr std::string_view kGroup = "root:x:0:\nweb:x:34:\nlog:x:40:web,root\nadm:x:41:other,web\nagain:x:40:web\n";

std::string user_text(std::string_view user) {
  auto ids = resolve_user(user, kPasswd, kGroup);
  if (!ids.ok()) return ids.error().message;
  return fmt::format("{}:{} [{}]", ids->uid, ids->gid, fmt::join(ids->additional_gids, ","));
}

TEST(Users, NamesAndNumbers) {
  EXPECT_EQ(user_text(""), "0:0 [40]");
  EXPECT_EQ(user_text("web"), "33:34 [40,41]");
  EXPECT_EQ(user_text("33"), "33:34 [40,41]");
  EXPECT_EQ(user_text("77"), "77:0 []");
  EXPECT_EQ(user_text("1000"), "5:6 []") << "a name before a number";
  EXPECT_EQ(user_text("web:log"), "33:40 []");
  EXPECT_EQ(user_text("web:99"), "33:99 []");
  EXPECT_EQ(user_text("77:78"), "77:78 []");
}

TEST(Users, WhatIsNotThereIsSaid) {
  EXPECT_EQ(user_text("nobody"),
            "image config: /config/User: must name a user of the image's /etc/passwd, or an id: found \"nobody\"");
  EXPECT_EQ(user_text("web:nogroup"),
            "image config: /config/User: must name a group of the image's /etc/group, or an id: found \"nogroup\"");
  EXPECT_NE(user_text("huge").find("must name a user"), std::string::npos);
  EXPECT_NE(user_text("4294967295").find("must name a user"), std::string::npos);
}

TEST(SubordinateIds, RangesFollowTheOwnId) {
  const std::string text = "other:1:5\nme:100000:65536\n# comment\nme:broken\n1000:300000:10\nme:100000:65536\n";
  EXPECT_EQ(id_map_text(maps_with_ranges(1000, text, "me", 1000)), "0 1000 1\n1 100000 65536\n65537 300000 10\n");
  EXPECT_EQ(id_map_text(maps_with_ranges(1000, text, "you", 7)), "0 1000 1\n");
  EXPECT_EQ(id_map_text(maps_with_ranges(1000, "me:1000:5\n", "me", 1000)), "0 1000 1\n") << "the user's own id";
}

}  // namespace
}  // namespace minirun::unpack
