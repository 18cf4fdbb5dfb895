#include <gtest/gtest.h>

#include <cerrno>

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
  EXPECT_FALSE(parse_scope_name("", std::string(250, 'a'), false).ok());
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
