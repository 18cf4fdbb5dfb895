// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cerrno>

#include "cgroups/own_name.h"
#include "cgroups/systemd/unit_name.h"

namespace minirun::systemd {
namespace {

std::string path_or_error(std::string_view slice) {
  auto path = slice_path(slice);
  return path.ok() ? *path : "refused";
}

TEST(SystemdSlice, IsExpandedToTheSlicesAboveIt) {
  EXPECT_EQ(path_or_error("system.slice"), "/system.slice");
  EXPECT_EQ(path_or_error("a-b.slice"), "/a.slice/a-b.slice");
  EXPECT_EQ(path_or_error("kubepods-burstable-pod1_2.slice"),
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice");
  EXPECT_EQ(path_or_error("-.slice"), "");
}

TEST(SystemdSlice, WithAnEmptyPartOrAnotherFormIsRefused) {
  for (std::string_view wrong : {"", ".slice", "a", "a.scope", "-a.slice", "a-.slice", "a--b.slice", "a/b.slice",
                                 "../a.slice", "a b.slice", "a\n.slice"})
    EXPECT_EQ(path_or_error(wrong), "refused") << wrong;
}

TEST(SystemdScopeName, IsMadeOfThreeParts) {
  auto name = parse_scope_name("machine.slice:libpod:0123abc", "id", false);
  ASSERT_TRUE(name.ok()) << name.error().text();
  EXPECT_EQ(*name, (ScopeName{"machine.slice", "libpod-0123abc.scope"}));
  name = parse_scope_name("::web", "id", false);
  ASSERT_TRUE(name.ok()) << name.error().text();
  EXPECT_EQ(*name, (ScopeName{"system.slice", "web.scope"}));
}

TEST(SystemdScopeName, IsMadeFromTheIdWhenNothingIsGiven) {
  EXPECT_EQ(*parse_scope_name("", "web1", false), (ScopeName{"system.slice", "minirun-web1.scope"}));
  EXPECT_EQ(*parse_scope_name("", "web1", true), (ScopeName{"user.slice", "minirun-web1.scope"}));
  EXPECT_EQ(parse_scope_name("", "a+b", false)->unit, "minirun-a\\x2bb.scope");
}

TEST(OwnCgroupName, IsOfAnyIdANameThatCanBe) {
  EXPECT_EQ(own_cgroup_name("web1"), "minirun-web1");
  EXPECT_EQ(own_cgroup_name("web1", ".scope"), "minirun-web1.scope");
  EXPECT_EQ(own_cgroup_name(std::string(247, 'a')), "minirun-" + std::string(247, 'a'));
  std::string a(255, 'a'), b = a.substr(1) + "b";
  for (const char* suffix : {"", ".scope"}) {
    std::string one = own_cgroup_name(a, suffix), other = own_cgroup_name(b, suffix);
    EXPECT_EQ(one.size(), 255U) << one;
    EXPECT_TRUE(one.ends_with(suffix)) << one;
    EXPECT_EQ(one.substr(0, 200), other.substr(0, 200)) << "it names its container";
    EXPECT_NE(one, other);
  }
}

TEST(SystemdScopeName, OfALongIdIsCutBetweenEscapes) {
  for (size_t length = 200; length <= 255; ++length) {
    std::string unit = parse_scope_name("", std::string(length, '+'), false)->unit;
    ASSERT_LE(unit.size(), 255U) << length;
    ASSERT_TRUE(unit.starts_with("minirun-\\x2b")) << unit;
    size_t end = unit.find_first_not_of("\\x2b", std::string("minirun-").size());
    ASSERT_EQ((end - std::string("minirun-").size()) % 4, 0U) << unit;
    ASSERT_EQ(unit[end], '-') << unit;
  }
}

TEST(SystemdScopeName, OfAnotherFormIsRefusedInRuncsWords) {
  auto name = parse_scope_name("/a/b", "id", false);
  ASSERT_FALSE(name.ok());
  EXPECT_EQ(name.error().message,
            "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"/a/b\" instead");
  for (const char* wrong : {"a.slice:b", "a.slice:b:c:d", "a.slice:b:", "a:b:c", "a.slice:b:c/d", "a.slice:b:c d",
                            "a.slice:../b:c", "a.slice:b:pod.slice"})
    EXPECT_FALSE(parse_scope_name(wrong, "id", false).ok()) << wrong;
}

TEST(SystemdScopeName, EscapesAsSystemdDoes) {
  EXPECT_EQ(escape_unit("a.b_c-1"), "a.b_c-1");
  EXPECT_EQ(escape_unit(".a"), "\\x2ea");
  EXPECT_EQ(escape_unit("a\\b/c"), "a\\x5cb\\x2fc");
}

}  // namespace
}  // namespace minirun::systemd
